// The server as it is seen from outside: tools/echoload/judge/server_process and server_probe, with
// real sockets and processes.
#include "test.h"

#include <math.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "echoload/judge/server_view.h"
#include "echoload/load/usage.h"
#include "listeners.h"
#include "place.h"
#include "process.h"

// Connects there, and finds those that serve it. The connection is open afterwards.
static int find(const char *address, struct processes *processes) {
	const struct endpoint endpoint = listeners_at(address);
	int fd = socket(endpoint.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	int failed = connect(fd, &endpoint.as.any, endpoint.length);
	*processes = (struct processes){0};
	if (failed) {
		assert_false(processes_find(processes, &endpoint, false));
		close(fd);
		return -1;
	}
	yield_until((listeners_accept(), processes_find(processes, &endpoint, false)));
	return fd;
}

// The one process that answers there; 0: none is known.
static int answering(const char *address) {
	struct processes processes;
	int fd = find(address, &processes);
	if (fd >= 0)
		close(fd);
	assert_int_equal(processes.count, fd >= 0);
	return fd >= 0 ? processes.pid[0] : 0;
}

AROUND_EACH(listeners_setup, listeners_teardown);

TEST(where_none_listens_none_is_known) {
	assert_int_equal(answering("127.0.0.1"), 0);
	assert_int_equal(answering("::1"), 0);
	assert_int_equal(answering("/no/server/listens/here"), 0);
}

TEST(each_address_has_its_own) {
	pid_t exact = listeners_child("127.0.0.9");
	pid_t any = listeners_child("0.0.0.0");
	listeners_here("::");
	assert_int_equal(answering("127.0.0.9"), exact);
	assert_int_equal(answering("127.0.0.8"), any);
	assert_int_equal(answering("0.0.0.0"), any); // as connect(2) takes it
	assert_int_equal(answering("::1"), getpid());
	assert_int_equal(answering("::ffff:127.0.0.9"), exact);
}

TEST(another_machine_s_is_not_ours) {
	listeners_here("::");
	struct processes processes = {0};
	const struct endpoint endpoint =
		listeners_at("192.0.2.1"); // kept for examples: no machine's
	assert_false(processes_find(&processes, &endpoint, false));
	assert_false(processes_find(&processes, &endpoint, true));
}

TEST(a_path_has_its_own) {
	pid_t child = listeners_child(place_path("a")); // before there is something to inherit
	listeners_here(place_path("a socket"));
	assert_int_equal(answering(place_path("a socket")), getpid());
	assert_int_equal(answering(place_path("a")), child);
}

// Of several that share the port: the one that has the connection, or all for visits.
TEST(all_that_may_serve_are_found) {
	pid_t first = listeners_child("127.0.0.1"), second = listeners_child("127.0.0.1");
	struct processes processes;
	int fd = find("127.0.0.1", &processes);
	assert_int_equal(processes.count, 1);
	assert_true(processes.pid[0] == first || processes.pid[0] == second);
	const struct endpoint endpoint = listeners_at("127.0.0.1");
	processes.count = 0;
	assert_true(processes_find(&processes, &endpoint, true));
	assert_int_equal(processes.count, 2);
	const struct processes both = {.pid = {second, first}, .count = 2};
	assert_true(processes_same(&processes, &both));
	const struct processes one = {.pid = {first}, .count = 1};
	assert_false(processes_same(&processes, &one));
	close(fd);
}

TEST(what_is_stopped_is_seen) {
	pid_t child = listeners_child("127.0.0.1");
	const struct processes processes = {.pid = {getpid(), child}, .count = 2};
	assert_false(processes_stopped(&processes));
	listeners_stop(child);
	assert_true(processes_stopped(&processes));
}

TEST(work_is_measured) {
	static struct processes_usage before, after;
	const struct processes ourselves = {.pid = {getpid()}, .count = 1};
	struct processes_load load;
	struct usage_machine wanted, wanted_before = usage_of_machine();
	processes_measure(&ourselves, &before);
	uint64_t until = clock_deadline(20 * NS_PER_S);
	do {
		assert_true(clock_now() < until);
		processes_measure(&ourselves, &after);
		wanted = usage_of_machine();
	} while (after.ran - before.ran < 50 * NS_PER_MS ||
		 wanted.wanted - wanted_before.wanted < 50 * NS_PER_MS);
	load = processes_load(&before, &after);
	// Working all along, this thread runs or waits for a CPU.
	assert_true(load.busy > 0 && load.busy + load.waiting > 0.8);
	assert_true(load.wanted >= load.cpu && load.cpu > 0 && load.throttled >= 0);
	assert_true(load.idle >= 0 && load.idle <= 1);
	assert_true(isnan(processes_load(&after, &after).busy));
	before.count = 0;
	assert_true(isnan(processes_load(&before, &after).busy));
}

// Of threads that come and go, or are too many, nothing is said.
TEST(loads_are_those_of_the_busiest_thread) {
	static struct processes_usage before, after;
	before = (struct processes_usage){
		.at = 1000, .ran = 10, .idle = 7, .thread = {{1, 5, 0}, {2, 5, 10}}, .count = 2};
	after = (struct processes_usage){.at = 2000,
					 .ran = 1010,
					 .throttled = 100,
					 .idle = 507,
					 .thread = {{1, 505, 100}, {3, 5000, 0}, {2, 405, 310}},
					 .count = 3};
	CPU_SET(0, &after.cpus);
	CPU_SET(1, &after.cpus);
	struct processes_load load = processes_load(&before, &after);
	assert_true(load.cpu == 0.5 && load.throttled == 0.1 && load.busy == 0.4 &&
		    load.waiting == 0.3);
	assert_true(load.wanted == 0.7 && load.idle == 0.25);
	after.count = PROCESSES_THREADS;
	load = processes_load(&before, &after);
	assert_true(load.cpu == 0.5 && isnan(load.busy) && isnan(load.wanted));
}

static struct server_view probe_for(uint64_t ms, const struct load_config *config) {
	struct server_probe *probe = server_probe_open(config, NULL);
	assert_non_null(probe);
	server_probe_begin(probe);
	const struct timespec pause = clock_timespec(ms * NS_PER_MS);
	nanosleep(&pause, NULL);
	server_probe_end(probe);
	const struct server_view view = server_probe_view(probe, 0);
	server_probe_free(probe);
	return view;
}

TEST(of_several_targets_all_are_probed_or_none) {
	struct processes processes;
	listeners_here("127.0.0.1");
	pid_t child = listeners_child("127.0.0.2");
	int fds[] = {find("127.0.0.1", &processes), find("127.0.0.2", &processes)};
	listeners_stop(child);
	struct load_config config = {
		.mode = MODE_PING,
		.connections = 2,
		.targets = {listeners_at("127.0.0.1"), listeners_at("127.0.0.2")},
		.target_count = 2};
	struct server_view both = {0};
	for (uint64_t ms = 100; !(both.stopped > 0) && ms < 30000; ms *= 2)
		both = probe_for(ms,
				 &config); // how long it takes to see that depends on the machine
	assert_true(both.stopped > 0 && both.stopped <= 1 && !both.changed && !both.other);
	assert_true(isnan(both.workers_busy)); // no control socket
	config.targets[1] = listeners_at("192.0.2.1");
	const struct server_view view = probe_for(100, &config);
	assert_true(isnan(view.stopped) && isnan(view.load.cpu) && isnan(view.load.throttled));
	close(fds[0]);
	close(fds[1]);
}
