// Errors of a run: tools/echoload/load/counters.
#include "test.h"

#include "echoload/load/counters.h"
#include "net/connect.h"

TEST(every_error_has_a_name_of_its_own) {
	for (int i = 0; i < LOAD_ERRORS; i++) {
		const char *name = load_error_rows[i].name;
		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, load_error_rows[j].name);
	}
}

TEST(what_runs_out_has_a_command_that_helps) {
	assert_contains(load_error_rows[LOAD_OUT_OF_DESCRIPTORS].help, "prlimit");
	assert_contains(load_error_rows[LOAD_OUT_OF_PORTS].help, "--source");
	assert_null(load_error_rows[LOAD_OTHER].help);
}

TEST(errno_values_have_their_meaning) {
	static const struct {
		enum load_error error;
		bool connecting;
		int numbers[3]; // 0 last
	} cases[] = {
		{LOAD_REFUSED, true, {ECONNREFUSED, ENOENT}},
		{LOAD_CONNECT_TIMEOUT, true, {EAGAIN, ETIMEDOUT}}, // a Unix-domain socket's backlog
		{LOAD_UNREACHABLE, true, {ENETUNREACH}},
		{LOAD_UNREACHABLE, false, {EHOSTUNREACH}},
		{LOAD_TIMEOUT, false, {ETIMEDOUT}},
		{LOAD_EARLY_CLOSE, false, {ECONNRESET, EPIPE}},
		{LOAD_EARLY_CLOSE, true, {ECONNRESET}},
		{LOAD_SELF_CONNECT, true, {CONNECT_TO_ITSELF}},
		{LOAD_OUT_OF_PORTS, true, {EADDRNOTAVAIL, EADDRINUSE}},
		{LOAD_OUT_OF_DESCRIPTORS, true, {EMFILE, ENFILE}},
		{LOAD_OUT_OF_MEMORY, false, {ENOMEM, ENOBUFS}},
		{LOAD_OTHER, false, {EAGAIN, EBADF}},
		{LOAD_OTHER, true, {EACCES}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (const int *number = cases[i].numbers; *number; number++)
			assert_int_equal(load_error_of(*number, cases[i].connecting),
					 cases[i].error);
}

static void assert_early_closes(const struct load_errors *errors, uint64_t first_at,
				uint32_t first_connection) {
	const struct load_error_count *early = &errors->of[LOAD_EARLY_CLOSE];
	assert_int_equal(load_errors_total(errors), 3);
	assert_int_equal(early->count, 2);
	assert_int_equal(early->first_at, first_at);
	assert_int_equal(early->first_connection, first_connection);
	assert_int_equal(early->first_errno, ECONNRESET);
}

TEST(the_first_of_a_kind_is_kept) {
	struct load_errors errors = {0};
	load_errors_note(&errors, LOAD_EARLY_CLOSE, ECONNRESET, 17, 100);
	load_errors_note(&errors, LOAD_EARLY_CLOSE, EPIPE, 4, 200);
	load_errors_note(&errors, LOAD_SHORT, 0, 5, 300);
	assert_early_closes(&errors, 100, 17);
	assert_int_equal(errors.of[LOAD_SHORT].first_errno, 0);
}

TEST(sums_know_the_earliest) {
	struct load_errors early = {0}, late = {0}, sum = {0};
	load_errors_note(&early, LOAD_EARLY_CLOSE, ECONNRESET, 1, 0); // as the run began
	load_errors_note(&late, LOAD_EARLY_CLOSE, EPIPE, 2, 50);
	load_errors_note(&late, LOAD_REFUSED, ECONNREFUSED, 3, 60);
	load_errors_add(&sum, &late);
	load_errors_add(&sum, &early);
	assert_early_closes(&sum, 0, 1);
	assert_int_equal(sum.of[LOAD_REFUSED].first_at, 60);
	load_errors_add(&early, &late); // the other way round
	assert_memory_equal(&early, &sum, sizeof(sum));
}
