// stress_judge DIRECTORY SECONDS [OPTION...]: starts echod with these options and says on one line
// where it is: its process, its control socket, HTTP, and then its addresses; the last has faults,
// --faulty. Has its counters held against their laws all along. After SIGTERM judges whether
// everything came to a good end, given what the runs of echoload say in DIRECTORY/*.json, and
// prints it. A failure, or more SECONDS than that, ends it and the server. One thread.
#include <glob.h>
#include <inttypes.h>
#include <signal.h>

#include "crowd.h"
#include "ctl.h"
#include "growth.h"
#include "laws.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define CHECK_MS 50
#define CROWD 4000 // all that tools/stress.sh allows then
#define HONEST_P99 (20 * NS_PER_MS)

struct baseline {
	size_t descriptors, threads;
	uint64_t memory;
};

static FILE *report; // our standard output

static struct baseline measure(struct daemon *daemon) {
	stats_take(daemon); // the first may leave something in a cache
	return (struct baseline){.descriptors = process_descriptors(daemon->process),
				 .threads = process_threads(daemon->process),
				 .memory = stats_counter(daemon, "memory_allocated_bytes")};
}

// Ended at the latest by the server.
static void expect_http(struct daemon *daemon) {
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = peer_connect(daemon->http);
	peer_send(fd, request, sizeof(request) - 1);
	peer_expect_text(fd, "HTTP/1.1 200");
	peer_expect_closed(fd);
}

#define FAULTS                                                                      \
	"reset,p=5%,delay=1ms..5ms,p=30%,trickle=200k,p=5%,flip=16k,lose=8k,p=50%," \
	"repeat=4k,p=50%,silent,p=5%,stall-after=8k,p=5%,close-after=32k,p=10%,"    \
	"reset-after=32k,p=10%,half-close-after=32k,p=10%"

// What is kept for a connection, and for its faults, becomes resident when it is used first; the
// buffer of a worker, when it is full first, so stress.sh has it small. The fault set here does
// nothing to a client that is silent.
static void crowd_in(struct daemon *daemon) {
	const char *flawed = daemon->address[daemon->address_count - 1];
	static int fds[CROWD];
	assert_int_equal(ctl_request(daemon->control, "faults set 127.0.0.1:0=close-after=1", NULL),
			 200);
	assert_int_equal(crowd_room(CROWD, 0), CROWD);
	peer_connect_all(flawed, fds, CROWD);
	stats_wait(daemon, "connections_open", CROWD);
	peer_close_all(fds, CROWD);
}

// Starts echod and uses all of its addresses once, before the last gets its faults.
static struct daemon *start(const char *const *options) {
	// jemalloc's caches of threads would hide what is leaked, and pages that it keeps for a
	// while what is resident.
	struct daemon *daemon = daemon_spawn(
		PROCESS(.arguments = options,
			.environment = STRINGS(
				"MALLOC_CONF=tcache:false,dirty_decay_ms:0,muzzy_decay_ms:0")));
	daemon_wait_ready(daemon);
	size_t descriptors = process_descriptors(daemon->process);
	for (size_t i = 0; i < daemon->address_count; i++)
		peer_visit(daemon->address[i]);
	if (getenv("ECHOD_TEST_STATE"))
		crowd_in(daemon);
	assert_int_equal(ctl_request(daemon->control, "faults set 127.0.0.1:0=" FAULTS, NULL), 200);
	expect_http(daemon);
	stats_wait_at_rest(daemon);
	wait_until(process_descriptors(daemon->process) == descriptors);
	return daemon;
}

// Asks for all there is. Each question comes with a new connection, as echoctl's do: a client that
// is silent for a while may have to make room for the faulty ones.
static void check(struct daemon *daemon) {
	close(daemon->control_fd);
	daemon->control_fd = -1;
	stats_assert_laws(daemon);
	expect_http(daemon);
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
	return strcmp(name, "alone.json") == 0 ? 0 : verified; // of another echod
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

// If there was a run of honest clients among the faulty ones, and the same beside it of a server of
// its own: if even that comes near the bound, the machine is too busy to tell.
static void judge_latency(struct daemon *daemon, const char *directory) {
	const char *honest = test_text("%s/honest.json", directory);
	if (!place_exists(honest))
		return;
	assert_true(stats_counter(daemon, "accept_errors_descriptors") > 0);
	const char *alone = test_text("%s/alone.json", directory);
	json_t *result = load_result_of_file(honest);
	uint64_t p99 = load_count(result, "latency_ns.p99");
	uint64_t unanswered = load_count(result, "evidence.unanswered");
	uint64_t usual = load_count(load_result_of_file(alone), "latency_ns.p99");
	bool told = usual < HONEST_P99 / 3;
	fprintf(report, "  %-22s p99 %.2f ms, without abuse %.2f ms%s\n", "honest clients",
		(double)p99 / 1e6, (double)usual / 1e6, told ? "" : ": too busy a machine to tell");
	if (told && (p99 >= HONEST_P99 || unanswered > 0))
		fail_msg("p99 of the honest clients is %.1f ms, %" PRIu64 " not answered",
			 (double)p99 / 1e6, unanswered);
}

// Every kind of end must have come about: else the load was none.
static void judge_ends(const json_t *snapshot) {
	static const char *const ends[] = {"peer", "probe",   "reset", "reset_ok",
					   "idle", "stalled", "fault"};
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
	assert_true(stats_get(snapshot, "http_aborted") > 0);
	assert_true(stats_get(snapshot, "faults_injected_repeat") > 0);
	assert_int_equal(stats_get(snapshot, "connections_closed_error"), 0);
}

static bool is_back(const struct baseline *before, const struct baseline *after) {
	return after->descriptors == before->descriptors && after->threads == before->threads &&
	       after->memory == before->memory;
}

// Waits until it has given back what it held for its clients.
static void judge_rest(struct daemon *daemon, const struct baseline *before) {
	uint64_t deadline = clock_deadline(PATIENCE);
	struct baseline after = measure(daemon);
	for (; !is_back(before, &after) && clock_now() < deadline; after = measure(daemon))
		poll(NULL, 0, CHECK_MS);
	fprintf(report,
		"  %-22s %" PRIu64 " and %" PRIu64 " bytes, %zu and %zu descriptors; %zu KiB\n",
		"before and after", before->memory, after.memory, before->descriptors,
		after.descriptors, process_resident(daemon->process) >> 10);
	if (!is_back(before, &after))
		fail_msg("echod has not given back what it held (%zu and %zu threads)",
			 before->threads, after.threads);
}

// After each round of load: nothing is left of it. Returns how many bytes were verified.
static uint64_t judge_round(struct daemon *daemon, const struct baseline *before,
			    const char *directory) {
	stats_wait_at_rest(daemon);
	uint64_t verified = judge_runs(directory);
	judge_latency(daemon, directory);
	judge_rest(daemon, before);
	growth_note(getenv("ECHOD_TEST_STATE"), daemon->process);
	fprintf(report, "  %-22s\n", "end of the round");
	fflush(report);
	return verified;
}

static void judge(struct daemon *daemon, uint64_t verified) {
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
	daemon_stop(daemon);
	growth_judge(getenv("ECHOD_TEST_STATE"), report);
}

static void announce(const struct daemon *daemon) {
	fprintf(report, "%d %s %s", (int)process_pid(daemon->process), daemon->control,
		daemon->http);
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
	struct process *laws = laws_watch(daemon);
	struct baseline before = measure(daemon);
	// Blocked, they come between two checks. Not in echod, which is started.
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGUSR1); // of a round
	assert_int_equal(sigprocmask(SIG_BLOCK, &ends, NULL), 0);
	announce(daemon);
	const struct timespec pause = {.tv_nsec = CHECK_MS * NS_PER_MS};
	unsigned checks = 0;
	uint64_t verified = 0;
	for (int number; (number = sigtimedwait(&ends, NULL, &pause)) != SIGTERM;) {
		if (number == SIGUSR1)
			verified += judge_round(daemon, &before, arguments[0]);
		else
			check(daemon);
		checks += number != SIGUSR1;
	}
	fprintf(report, "  %-22s %8u times each question, %zu snapshots within the laws\n",
		"control socket", checks, laws_expect(laws, 20));
	judge(daemon, verified);
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
