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
		int number;
		bool connecting;
		enum load_error error;
	} cases[] = {
		{ECONNREFUSED, true, LOAD_REFUSED},
		{ENOENT, true, LOAD_REFUSED},
		{EAGAIN, true, LOAD_CONNECT_TIMEOUT}, // a Unix-domain socket's backlog
		{ENETUNREACH, true, LOAD_UNREACHABLE},
		{EHOSTUNREACH, false, LOAD_UNREACHABLE},
		{ETIMEDOUT, true, LOAD_CONNECT_TIMEOUT},
		{ETIMEDOUT, false, LOAD_TIMEOUT},
		{ECONNRESET, false, LOAD_EARLY_CLOSE},
		{ECONNRESET, true, LOAD_EARLY_CLOSE},
		{EPIPE, false, LOAD_EARLY_CLOSE},
		{CONNECT_TO_ITSELF, true, LOAD_SELF_CONNECT},
		{EADDRNOTAVAIL, true, LOAD_OUT_OF_PORTS},
		{EADDRINUSE, true, LOAD_OUT_OF_PORTS},
		{EMFILE, true, LOAD_OUT_OF_DESCRIPTORS},
		{ENFILE, true, LOAD_OUT_OF_DESCRIPTORS},
		{ENOMEM, false, LOAD_OUT_OF_MEMORY},
		{ENOBUFS, false, LOAD_OUT_OF_MEMORY},
		{EAGAIN, false, LOAD_OTHER},
		{EACCES, true, LOAD_OTHER},
		{EBADF, false, LOAD_OTHER},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(load_error_of(cases[i].number, cases[i].connecting),
				 cases[i].error);
}

TEST(the_first_of_a_kind_is_kept) {
	struct load_errors errors = {0};
	load_errors_note(&errors, LOAD_EARLY_CLOSE, ECONNRESET, 17, 100);
	load_errors_note(&errors, LOAD_EARLY_CLOSE, EPIPE, 4, 200);
	load_errors_note(&errors, LOAD_SHORT, 0, 5, 300);
	assert_int_equal(load_errors_total(&errors), 3);
	assert_int_equal(errors.of[LOAD_EARLY_CLOSE].count, 2);
	assert_int_equal(errors.of[LOAD_EARLY_CLOSE].first_at, 100);
	assert_int_equal(errors.of[LOAD_EARLY_CLOSE].first_connection, 17);
	assert_int_equal(errors.of[LOAD_EARLY_CLOSE].first_errno, ECONNRESET);
	assert_int_equal(errors.of[LOAD_SHORT].first_errno, 0);
}

TEST(sums_know_the_earliest) {
	struct load_errors early = {0};
	struct load_errors late = {0};
	load_errors_note(&early, LOAD_EARLY_CLOSE, ECONNRESET, 1, 0); // as the run began
	load_errors_note(&late, LOAD_EARLY_CLOSE, EPIPE, 2, 50);
	load_errors_note(&late, LOAD_REFUSED, ECONNREFUSED, 3, 60);

	struct load_errors sum = {0};
	load_errors_add(&sum, &late);
	load_errors_add(&sum, &early);
	assert_int_equal(load_errors_total(&sum), 3);
	assert_int_equal(sum.of[LOAD_EARLY_CLOSE].count, 2);
	assert_int_equal(sum.of[LOAD_EARLY_CLOSE].first_at, 0);
	assert_int_equal(sum.of[LOAD_EARLY_CLOSE].first_connection, 1);
	assert_int_equal(sum.of[LOAD_EARLY_CLOSE].first_errno, ECONNRESET);
	assert_int_equal(sum.of[LOAD_REFUSED].first_at, 60);

	load_errors_add(&early, &late); // the other way round
	assert_memory_equal(&early, &sum, sizeof(sum));
}
