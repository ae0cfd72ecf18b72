// stress_judge DIRECTORY SECONDS [OPTION...]: starts echod with these options and says on one line
// where it is, its process and its control socket first; holds its counters against their laws all
// along; and after SIGTERM judges whether everything came to a good end, given what the runs of
// echoload say in DIRECTORY/*.json, and prints it. A failure, or more SECONDS than that, ends it
// and the server. One thread.
#include <glob.h>
#include <inttypes.h>
#include <signal.h>

#include "ctl.h"
#include "daemon.h"
#include "peer.h"
#include "stats.h"

#define CHECK_MS 50
#define MEMORY_KEPT (UINT64_C(64) << 10) // bytes that the heap may hold more than before the load

struct baseline {
	size_t descriptors, threads;
	uint64_t memory;
};

static FILE *report; // our standard output

static struct baseline measure(struct daemon *daemon) {
	return (struct baseline){.descriptors = process_descriptors(daemon->process),
				 .threads = process_threads(daemon->process),
				 .memory = stats_counter(daemon, "memory_allocated_bytes")};
}

// Starts echod and uses all of its addresses once.
static struct daemon *start(const char *const *options) {
	// jemalloc's caches of threads would hide what is leaked.
	struct daemon *daemon = daemon_spawn(
		PROCESS(.arguments = options, .environment = STRINGS("MALLOC_CONF=tcache:false")));
	daemon_wait_ready(daemon);
	for (size_t i = 0; i < daemon->address_count; i++)
		peer_visit(daemon->address[i]);
	stats_wait_at_rest(daemon);
	return daemon;
}

// Asks for all there is. Each question comes with a new connection, as echoctl's do: a client that
// is silent for a while may have to make room for the faulty ones.
static void check(struct daemon *daemon) {
	close(daemon->control_fd);
	daemon->control_fd = -1;
	stats_assert_laws(daemon);
	assert_int_equal(ctl_request(daemon->control, "connections json", NULL), 200);
	assert_int_equal(ctl_request(daemon->control, "workers json", NULL), 200);
	assert_int_equal(ctl_request(daemon->control, "stats prometheus", NULL), 200);
}

// What one run of echoload says of itself. Returns how many bytes it has verified.
static uint64_t judge_run(const char *path) {
	json_error_t error;
	json_t *run = json_load_file(path, 0, &error);
	if (!run)
		fail_msg("%s: %s", path, error.text);
	uint64_t verified = stats_get(run, "bytes_verified");
	uint64_t messages = stats_get(run, "messages");
	const char *name = strrchr(path, '/') + 1;
	assert_int_equal(json_object_size(json_object_get(run, "errors")), 0);
	assert_int_equal(json_array_size(json_object_get(run, "faults")), 0);
	fprintf(report, "  %-22.*s %8" PRIu64 " messages, %10.1f MiB verified\n",
		(int)strcspn(name, "."), name, messages, (double)verified / (1 << 20));
	assert_true(messages > 0 && verified > 0);
	json_decref(run);
	return verified;
}

static uint64_t judge_runs(const char *directory) {
	glob_t paths;
	if (glob(test_text("%s/*.json", directory), 0, NULL, &paths) != 0)
		fail_msg("no run of echoload in %s", directory);
	uint64_t verified = 0;
	for (size_t i = 0; i < paths.gl_pathc; i++)
		verified += judge_run(paths.gl_pathv[i]);
	globfree(&paths);
	return verified;
}

// Every kind of end must have come about: else the load was none.
static void judge_ends(const json_t *snapshot) {
	static const char *const ends[] = {"peer", "probe", "reset", "reset_ok", "idle", "stalled"};
	fprintf(report, "  %-22s", "closed because");
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		const char *name = test_text("connections_closed_%s", ends[i]);
		uint64_t count = stats_get(snapshot, name);
		fprintf(report, " %s %" PRIu64, ends[i], count);
		if (count == 0)
			fail_msg("%s is 0", name);
	}
	fprintf(report, "\n");
	assert_true(stats_get(snapshot, "connections_silent") > 0);
	assert_true(stats_get(snapshot, "control_errors") > 0);
	assert_int_equal(stats_get(snapshot, "connections_closed_error"), 0);
}

static bool is_back(const struct baseline *before, const struct baseline *after) {
	return after->descriptors <= before->descriptors && after->threads == before->threads &&
	       after->memory <= before->memory + MEMORY_KEPT;
}

// Waits until it has given back what it held for its clients.
static void judge_rest(struct daemon *daemon, const struct baseline *before) {
	uint64_t deadline = clock_deadline(PATIENCE);
	struct baseline after = measure(daemon);
	for (; !is_back(before, &after) && clock_now() < deadline; after = measure(daemon))
		poll(NULL, 0, CHECK_MS);
	fprintf(report, "  %-22s %" PRIu64 " and %" PRIu64 " KiB, %zu and %zu descriptors\n",
		"before and after", before->memory >> 10, after.memory >> 10, before->descriptors,
		after.descriptors);
	if (!is_back(before, &after))
		fail_msg("echod has not given back what it held (%zu and %zu threads)",
			 before->threads, after.threads);
}

static void judge(struct daemon *daemon, const struct baseline *before, const char *directory) {
	stats_wait_at_rest(daemon);
	uint64_t verified = judge_runs(directory);
	json_t *snapshot = stats_take(daemon);
	uint64_t received = stats_get(snapshot, "bytes_received");
	uint64_t sent = stats_get(snapshot, "bytes_sent");
	fprintf(report,
		"  %-22s %8" PRIu64 " connections, %" PRIu64 " MiB in, %" PRIu64 " MiB out\n",
		"echod", stats_get(snapshot, "connections_accepted"), received >> 20, sent >> 20);
	if (sent < verified)
		fail_msg("echod has sent %" PRIu64 " bytes, %" PRIu64 " were verified", sent,
			 verified);
	judge_ends(snapshot);
	judge_rest(daemon, before);
	daemon_stop(daemon);
}

static void announce(const struct daemon *daemon) {
	fprintf(report, "%d %s", (int)process_pid(daemon->process), daemon->control);
	for (size_t i = 0; i < daemon->address_count; i++)
		fprintf(report, " %s", daemon->address[i]);
	fprintf(report, "\n");
	fflush(report);
}

static int end(void **state) {
	(void)state;
	test_clean_up();
	return 0;
}

static void test_all_of_it(void **state) {
	char *const *arguments = *state;
	alarm((unsigned)strtoul(arguments[1], NULL, 10));
	struct daemon *daemon = start((const char *const *)&arguments[2]);
	struct baseline before = measure(daemon);
	// Blocked, it comes between two checks. Not in echod, which is started.
	sigset_t end_of_load;
	sigemptyset(&end_of_load);
	sigaddset(&end_of_load, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &end_of_load, NULL), 0);
	announce(daemon);
	const struct timespec pause = {.tv_nsec = CHECK_MS * NS_PER_MS};
	unsigned checks = 0;
	for (; sigtimedwait(&end_of_load, NULL, &pause) != SIGTERM; checks++)
		check(daemon);
	judge(daemon, &before, arguments[0]);
	fprintf(report, "  %-22s %8u snapshots, all within the laws\n", "control socket", checks);
}

int main(int argc, char **argv) {
	if (argc < 3) {
		fprintf(stderr, "usage: stress_judge DIRECTORY SECONDS [OPTION...]\n");
		return 2;
	}
	// cmocka's own lines go to standard error.
	report = fdopen(dup(STDOUT_FILENO), "w");
	if (!report || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate_setup_teardown(test_all_of_it, NULL, end, &argv[1])};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fclose(report);
	return failed ? 1 : 0;
}
