// Scenario: parked connections: their states as the control socket shows them, their cost, their
// end, and the state of the workers meanwhile.
#include <sched.h>
#include <signal.h>

#include "crowd.h"
#include "ctl.h"
#include "stats.h"

#define CROWD 3000
#define IDLERS 1000
#define SLOWER (sizeof(ECHOD_SANITIZE) > 1)

DAEMON_TEST(states_are_shown, ("--workers", "2"), .with = {"--patience 5ms", "--patience 0"}) {
	struct crowd crowd = crowd_connect(daemon, 5);
	wait_until(stats_count_in_state(daemon, "connections", "parked") == 5);
	wait_until(stats_count_in_state(daemon, "workers", "leading") == 1 &&
		   stats_count_in_state(daemon, "workers", "waiting") == 1);
	assert_int_equal(stats_counter(daemon, "connections_parked"), 5);
	assert_int_equal(stats_counter(daemon, "workers_idle"), 2);
	crowd_ping(&crowd, 1);
	wait_until(stats_count_in_state(daemon, "connections", "parked") == 5);
	json_t *snapshot = stats_take(daemon);
	assert_true(stats_get(snapshot, "parks_reading") >= 10);
	assert_int_equal(stats_get(snapshot, "parks_writing"), 0);
	assert_true(stats_get(snapshot, "leader_wakeups") >= 1);
	crowd_leave(daemon, &crowd);
}

// With enough patience a worker waits for its client.
DAEMON_TEST(patient_worker_is_shown, ("--workers", "3", "--patience", "1h")) {
	int fd = peer_connect_served(daemon->address[0]);
	wait_until(stats_count_in_state(daemon, "workers", "blocked") == 1 &&
		   stats_count_in_state(daemon, "workers", "leading") == 1);
	assert_int_equal(stats_count_in_state(daemon, "connections", "serving"), 1);
	assert_int_equal(stats_counter(daemon, "connections_parked"), 0);
	peer_close(fd);
	stats_wait_at_rest(daemon);
}

// Asks seldom, as the answers cost the server CPU time, which is measured.
static void wait_for_closed(struct daemon *daemon, size_t count) {
	wait_until((poll(NULL, 0, 20), stats_counter(daemon, "connections_closed_idle") >= count));
}

DAEMON_TEST(idle_time_out, ("--workers", "2", "--idle-timeout", "5s"),
	    .with = {"--patience 5ms", "--patience 0"}) {
	const uint64_t limit = 5 * NS_PER_S;
	size_t count = crowd_room(IDLERS, 0);
	uint64_t first = clock_now();
	struct crowd crowd = crowd_connect(daemon, count);
	crowd_ping(&crowd, 1);
	uint64_t last = clock_now();
	uint64_t cpu = process_cpu_time(daemon->process);
	wait_for_closed(daemon, 1);
	assert_true(clock_now() - first >= limit - 20 * NS_PER_MS);
	wait_for_closed(daemon, count);
	assert_true(clock_now() - last <= limit * 3 || SLOWER);
	cpu = process_cpu_time(daemon->process) - cpu;
	assert_true(cpu <= 500 * NS_PER_MS || SLOWER);
	for (size_t i = 0; i < count; i++)
		wait_until(peer_is_readable(crowd.fds[i]));
	crowd_leave(daemon, &crowd);
}

DAEMON_TEST(parked_connections_cost_nothing, ("--workers", "4", "--idle-timeout", "never")) {
	struct crowd crowd = crowd_connect(daemon, crowd_size("ECHOD_TEST_CROWD", CROWD, 0));
	crowd_ping(&crowd, 1);
	stats_wait(daemon, "connections_parked", crowd.count);
	crowd_expect_no_cpu(daemon);
	crowd_ping(&crowd, 2);
	crowd_leave(daemon, &crowd);
}

static struct crowd connect_parked(struct daemon *daemon) {
	struct crowd crowd = crowd_connect(daemon, crowd_room(CROWD, 0));
	stats_wait(daemon, "connections_parked", crowd.count);
	return crowd;
}

static void expect_all_aborted(struct daemon *daemon, struct crowd *crowd) {
	daemon_expect_end(daemon);
	for (size_t i = 0; i < crowd->count; i++)
		wait_until(peer_is_readable(crowd->fds[i]));
	crowd_close(crowd);
}

DAEMON_TEST(drain_aborts_parked_connections, ("--workers", "2", "--drain-timeout", "300ms")) {
	struct crowd crowd = connect_parked(daemon);
	process_signal(daemon->process, SIGTERM);
	expect_all_aborted(daemon, &crowd);
}

DAEMON_TEST(stop_aborts_parked_connections, ("--workers", "1", "--drain-timeout", "1h")) {
	struct crowd crowd = connect_parked(daemon);
	assert_int_equal(ctl_request(daemon->control, "stop", NULL), 200);
	expect_all_aborted(daemon, &crowd);
}

// In the child, before the server.
static void use_one_cpu(void) {
	cpu_set_t ours, one;
	size_t cpu = 0;
	if (sched_getaffinity(0, sizeof(ours), &ours) != 0)
		_exit(125);
	while (!CPU_ISSET(cpu, &ours))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) != 0)
		_exit(125);
}

TEST(one_cpu) {
	struct daemon *daemon = daemon_start_as(
		PROCESS(.arguments = STRINGS("--workers", "4"), .prepare = use_one_cpu));
	struct crowd crowd = crowd_connect(daemon, 50);
	for (uint64_t round = 0; round < 200; round++)
		crowd_ping(&crowd, round);
	assert_true(stats_counter(daemon, "wakes_withheld") > 0);
	crowd_leave(daemon, &crowd);
	daemon_stop(daemon);
}

// Polling pays for clients that answer at once, if there is a free CPU; and it ends with them.
static void expect_spinning(struct daemon *daemon, size_t clients) {
	struct crowd crowd = crowd_connect(daemon, clients);
	for (uint64_t round = 0; round < 3000; round++)
		crowd_ping(&crowd, round);
	assert_int_equal(stats_counter(daemon, "spin_hits") > 0, sysconf(_SC_NPROCESSORS_ONLN) > 1);
	stats_wait(daemon, "connections_parked", clients);
	crowd_expect_no_cpu(daemon);
	crowd_leave(daemon, &crowd);
}

DAEMON_TEST(worker_spins, ("--workers", "4", "--spin", "1ms")) { expect_spinning(daemon, 1); }

// More clients than have a worker to themselves.
DAEMON_TEST(leader_spins, ("--workers", "1", "--spin", "1ms")) { expect_spinning(daemon, 3); }
