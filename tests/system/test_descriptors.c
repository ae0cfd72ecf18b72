// Scenario: descriptors run out while the server runs, and are freed again (finding F3). It waits
// without using the processor, says so, and goes on by itself.
#include <sys/resource.h>

#include "crowd.h"
#include "stats.h"

#define SPARE 4
#define CLIENTS 10
#define SPAN_MS 1500

static void limit_descriptors(struct daemon *daemon, size_t count) {
	struct rlimit limit;
	pid_t pid = process_pid(daemon->process);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
	limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

// The limit is on the numbers: leaves exactly `spare` of them that are not in use.
static void leave_descriptors(struct daemon *daemon, size_t spare) {
	size_t number = 0;
	while (process_holds(daemon->process, number) || spare-- > 0)
		number++;
	limit_descriptors(daemon, number);
}

// For a span: at most 1/`part` of a processor, and few attempts to accept.
static void assert_calm(struct daemon *daemon, uint64_t part) {
	uint64_t begin = clock_now();
	uint64_t errors = stats_counter(daemon, "accept_errors_descriptors");
	uint64_t cpu = process_cpu_time(daemon->process);
	poll(NULL, 0, SPAN_MS);
	cpu = (process_cpu_time(daemon->process) - cpu) / NS_PER_MS;
	errors = stats_counter(daemon, "accept_errors_descriptors") - errors;
	uint64_t wall = (clock_now() - begin) / NS_PER_MS;
	if (cpu * part > wall || errors * 1000 > 20 * wall)
		fail_msg("%ju ms of processor time and %ju attempts in %ju ms", (uintmax_t)cpu,
			 (uintmax_t)errors, (uintmax_t)wall);
}

DAEMON_TEST(used_up_and_freed, (NULL)) {
	stats_wait(daemon, "connections_open", 0);
	size_t descriptors = process_descriptors(daemon->process);
	leave_descriptors(daemon, SPARE);
	int fds[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++) {
		fds[i] = peer_connect(daemon->address[0]);
		peer_send(fds[i], "x", 1);
	}
	stats_wait_at_least(daemon, "accept_errors_descriptors", 1);
	stats_wait_at_least(daemon, "accept_pauses", 1);
	assert_int_equal(stats_counter(daemon, "connections_open"), SPARE);
	assert_calm(daemon, 5);
	process_expect_error_text(daemon->process, "descriptor");
	// Each one that leaves makes room for one that waits.
	for (size_t i = 0; i < CLIENTS; i++) {
		peer_expect_text(fds[i], "x");
		peer_close(fds[i]);
	}
	stats_wait(daemon, "connections_closed_peer", CLIENTS);
	assert_true(stats_counter(daemon, "accept_errors_descriptors") <= 200);
	assert_int_equal(process_descriptors(daemon->process), descriptors);
}

// Not only a close of the server's frees descriptors: a timer tries again.
DAEMON_TEST(limit_is_raised, (NULL)) {
	leave_descriptors(daemon, 0);
	int fd = peer_connect(daemon->address[0]);
	peer_send(fd, "x", 1);
	// Not by a counter: a control connection that ends leaves its descriptor to the client.
	process_expect_error_text(daemon->process, "out of descriptors");
	peer_expect_quiet(fd);
	limit_descriptors(daemon, 1024);
	peer_expect_text(fd, "x");
	json_t *snapshot = stats_take(daemon);
	assert_true(stats_number(snapshot, "accept_errors_descriptors") >= 1);
	assert_true(stats_number(snapshot, "accept_paused_seconds") > 0);
	peer_close(fd);
}

// accept(2) says EMFILE even when no client waits.
DAEMON_TEST(nobody_waits, (NULL)) {
	int fd = peer_connect_served(daemon->address[0]);
	leave_descriptors(daemon, 0);
	assert_calm(daemon, 5);
	peer_ping_last(fd);
	stats_wait(daemon, "connections_open", 0);
	assert_calm(daemon, 5);
}

// A server that has nothing to do does nothing.
DAEMON_TEST(idle_server_is_calm, ("--workers", "64", "--patience", "never")) {
	struct crowd crowd = crowd_connect(daemon, CLIENTS);
	stats_wait(daemon, "connections_serving", CLIENTS);
	assert_calm(daemon, 20);
	crowd_close(&crowd);
}
