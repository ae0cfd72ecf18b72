// The library as a guest of its host program: that forks, has a handler for crashes, has much that
// is thread-local, and needs descriptors of its own. lib/echod.
#include "expect.h"

#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ctl.h"
#include "embedded.h"
#include "peer.h"
#include "place.h"
#include "process.h"

static pid_t child;
static _Thread_local volatile char thread_local_bytes[512 << 10]; // which every thread has

BEFORE_EACH {
	child = 0;
	new_config();
	set("listen", "127.0.0.1:0");
	set("workers", "2");
}

AFTER_EACH {
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	free_config();
}

// A child that holds copies of all descriptors there are now.
static void fork_child(void) {
	child = fork();
	assert_true(child >= 0);
	while (child == 0)
		pause();
}

TEST(a_child_keeps_no_peer_waiting) {
	set("listen", place_address("s"));
	set("control", place_path("c"));
	struct echod *server = start();
	int clients[4], control = ctl_connect(place_path("c"));
	assert_int_equal(ctl_ask(control, "ping", NULL), 200);
	for (size_t i = 0; i < 4; i++)
		clients[i] = peer_connect_served(echod_address(server, i / 2));
	const char *address = test_text("%s", echod_address(server, 0));
	fork_child();
	peer_half_close(clients[0]);
	peer_expect_eof(clients[0]);
	peer_half_close(clients[2]);
	peer_expect_eof(clients[2]);
	echod_free(server); // closes the rest, all of it echoed
	peer_expect_eof(clients[1]);
	peer_expect_eof(clients[3]);
	peer_expect_eof(control);
	assert_int_equal(peer_try_connect(address, NULL), -1);
	assert_int_equal(errno, ECONNREFUSED);
	set("listen", address);
	echod_free(start()); // the port is free
}

// Bytes that were not echoed: their connection is reset.
TEST(a_child_keeps_no_reset_back) {
	set("buffer-size", "4k");
	struct echod *server = start();
	int client = peer_connect_narrow(echod_address(server, 0), 4096);
	wait_until(
		(peer_fill(client, 1, UINT64_C(64) << 20), counter(server, "parks_writing") > 0));
	fork_child();
	echod_free(server);
	peer_expect_reset(client);
}

// The mask of a thread, from /proc; 0 when it is not the library's, but ours or a sanitizer's.
static uint64_t blocked_signals(const char *thread) {
	char line[200];
	unsigned long long mask = 0;
	FILE *file = fopen(test_text("/proc/self/task/%s/status", thread), "re");
	assert_non_null(file);
	bool theirs = fgets(line, sizeof(line), file) && strncmp(line, "Name:\techod/", 12) == 0;
	while (theirs && fgets(line, sizeof(line), file) &&
	       sscanf(line, "SigBlk: %llx", &mask) != 1)
		;
	fclose(file);
	return mask;
}

TEST(a_crash_handler_sees_crashes_of_all_threads) {
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	static const int others[] = {SIGTERM, SIGINT,  SIGHUP,	SIGPIPE,
				     SIGUSR1, SIGCHLD, SIGALRM, SIGWINCH};
	set("control", place_path("c"));
	struct echod *server = start();
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	size_t threads = 0;
	for (struct dirent *entry; (entry = readdir(tasks));) {
		uint64_t blocked = entry->d_name[0] == '.' ? 0 : blocked_signals(entry->d_name);
		if (blocked == 0)
			continue;
		threads++;
		for (size_t i = 0; i < COUNT_OF(faults); i++)
			assert_int_equal(blocked >> (faults[i] - 1) & 1, 0);
		for (size_t i = 0; i < COUNT_OF(others); i++)
			assert_int_equal(blocked >> (others[i] - 1) & 1, 1);
	}
	closedir(tasks);
	assert_int_equal(threads, 2 + 2); // acceptor, stats thread, workers
	echod_free(server);
}

TEST(threads_have_room_beside_what_is_thread_local) {
	thread_local_bytes[0] = 1; // else there would be none
	echod_free(start());
}

static int keep_start(void *context, enum echod_log_level level, const char *line) {
	(void)sscanf(line, "started: 2 workers, at most %u", (unsigned *)context);
	return 1;
}

TEST(half_of_the_descriptors_are_left_to_the_host) {
	// Besides 40 for the server itself and the listener; rounded up.
	static const struct {
		rlim_t limit;
		unsigned connections;
	} cases[] = {{256, 108}, {1024, 492}, {4096, 2028}, {44, 2}};
	unsigned connections;
	rlim_t before = set_descriptor_limit(256);
	echod_config_set_log(config, keep_start, &connections);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		connections = 0;
		set_descriptor_limit(cases[i].limit);
		echod_free(start());
		assert_int_equal(connections, cases[i].connections);
	}
	set_descriptor_limit(before);
}
