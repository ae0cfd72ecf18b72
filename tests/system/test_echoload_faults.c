// Scenario: a thousand faults of each kind, made on purpose by a proxy between echoload and echod,
// in every mode. echoload finds each, names it and locates it to the byte, and finds no other; and
// it finds none at all where the proxy only splits the streams into pieces. ECHOD_TEST_SEED repeats
// what a failure has printed, except the order in which connections begin.
#include <inttypes.h>
#include <signal.h>

#include "corrupter.h"
#include "crowd.h"
#include "daemon.h"
#include "load.h"

#define FAULTS 1000 // of each kind
// Divides them; an even number is left, as two are crossed at a time.
#define FEWER (sizeof(ECHOD_SANITIZE) > 1 ? 25U : 1U)
// Messages of each load that only comes in pieces.
#define PIECED (sizeof(ECHOD_SANITIZE) > 1 ? "300" : "1000")

// A mode, and where in the stream of a connection there may be faults.
struct manner {
	const char *options[8];
	unsigned faults; // of each kind; FAULTS in all
	uint64_t message, messages;
};

static const struct manner manners[] = {
	{{"--mode", "half-close", "--visit", "64k"}, 400, 64 << 10, 1},
	{{"--mode", "ping", "--size", "4001"}, 200, 4001, 6},
	{{"--mode", "churn", "--visit", "6", "--size", "4k"}, 200, 4096, 6},
	{{"--mode", "idle", "--rate", "5k", "--size", "4001"}, 100, 4001, 3},
	// The first 16 messages need not wait for anything.
	{{"--mode", "stream", "--size", "4k", "--threads", "2"}, 100, 64 << 10, 1},
};

static uint64_t seed(void) { return crowd_number("ECHOD_TEST_SEED", 1); }

static struct process *start_load(const struct corrupter *corrupter, const char *const *options,
				  const char *const *more) {
	const char *target = test_text("127.0.0.1:%u", corrupter_port(corrupter));
	const char *run = test_text("%" PRIu64, seed());
	const char *const *all =
		load_arguments(STRINGS(LOAD_FOR_RESULT, target, "--run", run), options);
	return process_start(PROCESS(.arguments = load_arguments(all, more)));
}

static const char *describe(const struct fault *fault) {
	return test_text("%s connection %" PRIu32 " offset %" PRIu64 " length %" PRIu64
			 " bits %#x other %" PRIu32 " at %" PRIu64,
			 fault_kind_names[fault->kind], fault->connection, fault->offset,
			 fault->length, fault->bits, fault->other, fault->other_offset);
}

static int by_place(const void *left, const void *right) {
	const struct fault *a = left, *b = right;
	if (a->connection != b->connection)
		return a->connection < b->connection ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return strcmp(describe(a), describe(b));
}

static enum fault_kind kind_of(const char *name) {
	enum fault_kind kind = FAULT_FLIPPED;
	while (kind < FAULT_KINDS && strcmp(name, fault_kind_names[kind]) != 0)
		kind++;
	if (kind == FAULT_KINDS)
		fail_msg("there is no fault '%s'", name);
	return kind;
}

static struct fault read_fault(const json_t *json) {
	struct fault fault = {kind_of(json_string_value(load_member(json, "kind"))),
			      .connection = (uint32_t)load_count(json, "connection"),
			      .offset = load_count(json, "offset"),
			      .length = load_count(json, "length")};
	if (fault.kind == FAULT_FLIPPED)
		fault.bits = (uint8_t)load_count(json, "bits");
	if (fault.kind == FAULT_CROSSED) {
		fault.other = (uint32_t)load_count(json, "other");
		fault.other_offset = load_count(json, "other_offset");
	}
	return fault;
}

// Wants two sorted lists to be the same.
static void expect_same(const struct fault *made, size_t made_count, const struct fault *found,
			size_t found_count, const char *mode) {
	for (size_t i = 0; i < made_count || i < found_count; i++) {
		if (i < made_count && i < found_count && by_place(&made[i], &found[i]) == 0)
			continue;
		fail_msg("mode %s, ECHOD_TEST_SEED=%" PRIu64 ", fault %zu: %s made, %s found", mode,
			 seed(), i, i < made_count ? describe(&made[i]) : "none",
			 i < found_count ? describe(&found[i]) : "none");
	}
}

// Wants `count` errors in all, each the consequence of a fault.
static void expect_errors(const json_t *result, const char *mode, size_t count) {
	uint64_t errors = load_errors(result, NULL);
	uint64_t expected = load_errors(result, "mismatch") + load_errors(result, "short");
	if (errors == count && expected == count)
		return;
	char *first = json_dumps(load_member(result, "first_errors"), 0);
	print_error("errors: %s\n", first);
	free(first);
	fail_msg("%" PRIu64 " errors for %zu faults in mode %s, ECHOD_TEST_SEED=%" PRIu64, errors,
		 count, mode, seed());
}

static void compare(const json_t *result, const char *mode, struct fault *made, size_t count) {
	const json_t *faults = load_member(result, "faults");
	size_t found_count = json_array_size(faults);
	struct fault *found = calloc(found_count + 1, sizeof(*found));
	assert_non_null(found);
	for (size_t i = 0; i < found_count; i++)
		found[i] = read_fault(json_array_get(faults, i));
	qsort(made, count, sizeof(*made), by_place);
	qsort(found, found_count, sizeof(*found), by_place);
	expect_same(made, count, found, found_count, mode);
	free(found);
	expect_errors(result, mode, count);
	assert_int_equal(load_count(result, "faults_found"), count);
}

static void corrupt(struct daemon *daemon, enum fault_kind kind, const struct manner *manner) {
	unsigned count = manner->faults / FEWER;
	const struct corrupter_plan plan = {seed(), seed(),	     count,
					    kind,   manner->message, manner->messages};
	struct corrupter *corrupter = corrupter_start(&plan, daemon->port);
	// However slow the machine is, only the test gives up.
	static const char *const more[] = {"--connections", "100",   "--duration", "never",
					   "--timeout",	    "never", NULL};
	struct process *process = start_load(corrupter, manner->options, more);
	for (uint64_t until = clock_deadline(PATIENCE); corrupter_settled(corrupter) < count;
	     poll(NULL, 0, 2))
		if (clock_now() >= until)
			fail_msg("%u of %u faults %s in mode %s, ECHOD_TEST_SEED=%" PRIu64,
				 corrupter_settled(corrupter), count, fault_kind_names[kind],
				 manner->options[1], seed());
	process_signal(process, SIGINT);
	process_expect_status(process, 1);
	const struct fault *faults;
	assert_int_equal(corrupter_stop(corrupter, &faults), count);
	struct fault made[FAULTS];
	memcpy(made, faults, count * sizeof(*made));
	compare(load_result(process), manner->options[1], made, count);
}

TEST(corrupt_in_each_manner,
     .with = {"flipped", "lost", "repeated", "reordered", "crossed", "foreign", "truncated"}) {
	enum fault_kind kind = kind_of(test_with());
	struct daemon *daemon = daemon_start(NULL);
	for (size_t i = 0; i < COUNT_OF(manners); i++)
		corrupt(daemon, kind, &manners[i]);
	daemon_stop(daemon);
}

// The report of a run on one line, as it is wrapped for people.
static const char *report_of(struct process *process) {
	char *text = test_keep(strdup(process_output(process, NULL))), *to = text;
	for (const char *from = text; *from; from++) {
		bool blank = *from == ' ' || *from == '\n';
		if (!blank)
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
	return text;
}

// The server's ledger says on which way they were lost, though the proxy hides our address.
DAEMON_TEST(lost_bytes_are_in_the_ledger, (NULL)) {
	const struct corrupter_plan plan = {seed(), seed(), 4, FAULT_LOST, 4001, 6};
	struct corrupter *corrupter = corrupter_start(&plan, daemon->port);
	struct process *load = process_start(
		PROCESS(.arguments =
				STRINGS(ECHOLOAD_PROGRAM,
					test_text("127.0.0.1:%u", corrupter_port(corrupter)),
					"--no-experiment", "--size", "4001", "--connections", "4",
					"--duration", "1s", "--run", test_text("%" PRIu64, seed()),
					"--control", daemon->control)));
	process_expect_status(load, 1);
	const char *report = report_of(load);
	const struct fault *faults;
	uint64_t lost = 0;
	unsigned count = corrupter_stop(corrupter, &faults);
	assert_int_equal(count, 4);
	assert_contains(report, "4 of 4 connections with an error found in the server's ledger");
	for (unsigned i = 0; i < count; i++) {
		assert_contains(report, test_text("%" PRIu64 " lost on", faults[i].length));
		lost += faults[i].length;
	}
	assert_true(lost > 0 && !strstr(report, "the way there"));
}

// Only a client that has sent its FIN knows that there are too many bytes.
DAEMON_TEST(append_after_the_end, (NULL)) {
	static const struct manner manner = {
		{"--mode", "half-close", "--visit", "16k"}, FAULTS, 16 << 10, 1};
	corrupt(daemon, FAULT_SURPLUS, &manner);
}

DAEMON_TEST(find_nothing_in_pieces, (NULL)) {
	static const char *const loads[][10] = {
		{"--mode", "ping", "--size", "1,2..100,64k"},
		{"--mode", "ping", "--size", "1..64k", "--pipeline", "8", "--threads", "2"},
		{"--mode", "ping", "--size", "1..2k", "--rate", "5k", "--arrival", "poisson"},
		{"--mode", "stream", "--size", "1..64k", "--threads", "2"},
		{"--mode", "churn", "--visit", "3", "--size", "1..4k"},
		{"--mode", "idle", "--rate", "5k", "--size", "1..64k"},
		{"--mode", "half-close", "--visit", "50001"},
	};
	static const char *const more[] = {"--connections", "120",   "--count", PIECED,
					   "--timeout",	    "never", NULL};
	for (size_t i = 0; i < COUNT_OF(loads); i++) {
		const struct corrupter_plan plan = {.seed = seed()};
		struct corrupter *corrupter = corrupter_start(&plan, daemon->port);
		struct process *process = start_load(corrupter, loads[i], more);
		process_expect_status(process, 0);
		json_t *result = load_result(process);
		struct fault none = {0};
		compare(result, loads[i][1], &none, 0);
		assert_int_equal(load_count(result, "messages"), atoi(PIECED));
		assert_int_equal(load_count(result, "bytes_verified"), load_count(result, "bytes"));
		corrupter_stop(corrupter, NULL);
	}
}
