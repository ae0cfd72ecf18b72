// Scenario: faults at start: one line on standard error, status 3, nothing on standard output, and
// nothing left behind; the files of others stay as they were.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cmdline.h"
#include "crowd.h"
#include "ctl.h"
#include "stats.h"

static void refuses(const struct process_spec *spec, const char *const *texts) {
	daemon_refuses(spec, EXIT_UNREACHABLE, texts);
}

DAEMON_TEST(port_in_use, (NULL)) {
	const char *other = place_path("other"), *taken = daemon->address[0];
	refuses(SPEC("--listen", taken, "--control", other), STRINGS(taken, "in use"));
	assert_false(place_exists(other));
	// Also when others of its addresses were free: their sockets are gone again.
	const char *path = place_address("echo");
	refuses(SPEC("--listen", path, "--listen", "127.0.0.1:0", "--listen", taken, "--control",
		     other),
		STRINGS(taken, "in use"));
	assert_false(place_exists(other));
	assert_false(place_exists(path + 5));
	peer_visit(taken);
}

// The kernel chooses for each connection; when one server ends, the other has them all.
TEST(port_is_shared_by_those_that_ask_for_it) {
	struct daemon *daemons[2];
	daemons[0] = daemon_start("--reuse-port", NULL);
	const char *address = daemons[0]->address[0], *control = place_path("other");
	daemons[1] = daemon_start("--reuse-port", "--listen", address, "--control", control, NULL);
	refuses(SPEC("--listen", address, "--control", "none"), STRINGS(address, "in use"));
	for (size_t i = 0; i < 2; i++)
		wait_until((peer_visit(address),
			    stats_counter(daemons[i], "connections_accepted") > 0));
	daemon_stop(daemons[1]);
	for (int i = 0; i < 20; i++)
		peer_visit(address);
	daemon_stop(daemons[0]);
}

TEST(no_such_place) {
	refuses(SPEC("--listen", "no-such-host.invalid:7000"), STRINGS("no-such-host.invalid"));
	refuses(SPEC("--listen", "192.0.2.1:7000"), STRINGS("192.0.2.1:7000"));
	refuses(SPEC("--listen", "unix:/no/such/place/echo"), STRINGS("/no/such/place/echo"));
	refuses(SPEC("--listen", "unix:/no/such/pla\nce"), STRINGS("/no/such/pla?ce")); // one line
	refuses(SPEC("--control", "/no/such/place/ctl"), STRINGS("/no/such/place/ctl"));
	assert_false(place_exists(place_path("ctl")));
}

static ino_t inode_of(const char *path) {
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status.st_ino;
}

DAEMON_TEST(live_control_socket_is_never_taken, (NULL)) {
	ino_t inode = inode_of(daemon->control);
	for (int i = 0; i < 3; i++)
		refuses(SPEC("--control", daemon->control), STRINGS(daemon->control, "live"));
	assert_int_equal(inode_of(daemon->control), inode);
	assert_int_equal(ctl_request(daemon->control, "ping", NULL), 200);
	// Not even while that server is stopped.
	process_stop(daemon->process);
	refuses(SPEC("--control", daemon->control), STRINGS(daemon->control));
	process_signal(daemon->process, SIGCONT);
	assert_int_equal(inode_of(daemon->control), inode);
}

TEST(stale_sockets_are_replaced) {
	const char *path = place_address("echo");
	struct daemon *daemon = daemon_start("--listen", path);
	for (int i = 0; i < 3; i++) {
		process_kill(daemon->process);
		assert_true(place_exists(daemon->control));
		daemon = daemon_start("--listen", path);
		peer_visit(path);
		assert_int_equal(ctl_request(daemon->control, "ping", NULL), 200);
	}
	daemon_stop(daemon);
}

// In the place of its own a server leaves another's.
TEST(successor_s_socket_is_left_alone) {
	struct daemon *first = daemon_start(NULL);
	assert_int_equal(unlink(first->control), 0);
	struct daemon *second = daemon_start("--control", first->control);
	process_end(first->process);
	assert_int_equal(ctl_request(second->control, "ping", NULL), 200);
	daemon_stop(second);
}

// Connections that the old server ended are remembered by the kernel for a minute.
TEST(port_can_be_had_again_at_once) {
	struct daemon *daemon = daemon_start("--drain-timeout", "0");
	for (int i = 0; i < 5; i++) {
		const char *address = daemon->address[0];
		int fd = peer_connect_served(address);
		(i % 2 ? process_kill : process_end)(daemon->process);
		peer_expect_closed(fd);
		daemon = daemon_start("--drain-timeout", "0", "--listen", address);
		assert_string_equal(daemon->address[0], address);
	}
	daemon_stop(daemon);
}

// Of many servers that find the same stale socket at once, one gets it.
TEST(race_for_a_stale_socket) {
	struct daemon *dead = daemon_start(NULL);
	process_kill(dead->process);
	struct daemon *rivals[6];
	for (size_t i = 0; i < 6; i++)
		rivals[i] = daemon_spawn(SPEC("--control", dead->control));
	size_t winners = 0;
	for (size_t i = 0; i < 6; i++)
		winners += process_starts(rivals[i]->process);
	assert_int_equal(winners, 1);
	assert_int_equal(ctl_request(dead->control, "stop", NULL), 200);
	for (size_t i = 0; i < 6; i++) {
		int status = process_wait(rivals[i]->process);
		assert_true(status == 0 || status == EXIT_UNREACHABLE);
	}
}

TEST(what_is_no_socket_is_left_alone) {
	const char *file = place_file("file", "precious\n", 9);
	const char *const paths[] = {file, place_path("directory"), place_path("fifo"),
				     place_path("link"), place_path("dangling")};
	assert_int_equal(mkdir(paths[1], 0700), 0);
	assert_int_equal(mkfifo(paths[2], 0600), 0);
	assert_int_equal(symlink(file, paths[3]), 0);
	assert_int_equal(symlink("nowhere", paths[4]), 0);
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		ino_t inode = inode_of(paths[i]);
		refuses(SPEC("--control", paths[i]), STRINGS(paths[i]));
		refuses(SPEC("--listen", test_text("unix:%s", paths[i])), STRINGS(paths[i]));
		assert_int_equal(inode_of(paths[i]), inode);
	}
	struct stat status;
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_size, 9);
}

TEST(limit_too_low) {
	refuses(PROCESS(.arguments = STRINGS("--workers", "2"), .nofile = {8, 8}),
		STRINGS("limit"));
	assert_false(place_exists(place_path("ctl")));
	refuses(PROCESS(.arguments = STRINGS("--max-connections", "1000"), .nofile = {100, 100}),
		STRINGS("1000", "100"));
	assert_false(place_exists(place_path("ctl")));
}

// To the hard one.
TEST(soft_limit_is_raised) {
	struct daemon *daemon = daemon_start_as(
		PROCESS(.arguments = STRINGS("--max-connections", "300"), .nofile = {20, 400}));
	struct rlimit limit;
	assert_int_equal(prlimit(process_pid(daemon->process), RLIMIT_NOFILE, NULL, &limit), 0);
	assert_int_equal(limit.rlim_cur, 400);
	struct crowd crowd = crowd_connect(daemon, 200);
	stats_wait(daemon, "connections_open", 200);
	crowd_close(&crowd);
	daemon_stop(daemon);
}

TEST(no_thread_can_be_created) {
	int k = 1;
	for (;; k++) {
		const char *path = place_address("echo"), *at = test_text("FAIL_PTHREAD_AT=%d", k);
		assert_true(k < 20);
		struct daemon *daemon = daemon_spawn(
			PROCESS(.arguments = STRINGS("--workers", "3", "--listen", path),
				.environment =
					STRINGS("LD_PRELOAD=" FAIL_PTHREAD_NAME,
						"LD_LIBRARY_PATH=" FAIL_PTHREAD_FOLDER,
						"ASAN_OPTIONS=verify_asan_link_order=0", at)));
		if (process_starts(daemon->process)) {
			daemon_wait_ready(daemon);
			daemon_stop(daemon);
			break;
		}
		process_expect_status(daemon->process, EXIT_UNREACHABLE);
		process_expect_complaint(daemon->process, "echod: ", STRINGS("thread"));
		assert_false(place_exists(daemon->control));
		assert_false(place_exists(path + 5));
		test_clean_up();
	}
	// At least an acceptor, a stats thread and three workers.
	assert_true(k > 5);
}

static bool data_is_limited;
static rlim_t room;

static void limit_room(void) {
	const struct rlimit limit = {.rlim_cur = room, .rlim_max = room};
	if (setrlimit(data_is_limited ? RLIMIT_DATA : RLIMIT_AS, &limit) != 0)
		_exit(120);
}

// It starts or says why not, also where jemalloc would crash.
TEST(little_room) {
	if (sizeof(ECHOD_SANITIZE) > 1)
		return; // they need terabytes of it
	unsigned refused = 0, started = 0;
	for (rlim_t step = 0; step < 2 * 60; step++) {
		data_is_limited = step % 2 == 0;
		room = (4 + step / 2) << 20;
		struct process *process =
			process_start(PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l",
								   "127.0.0.1:0", "-c", "none"),
					      .prepare = limit_room));
		if (process_starts(process)) {
			assert_contains(process_output(process, NULL), "listening on");
			process_end(process);
			started++;
			continue;
		}
		int status = process_wait(process);
		assert_true(status == EXIT_UNREACHABLE || status == 127); // 127: from the loader
		assert_int_equal(process_count_lines(process_errors(process, NULL)), 1);
		refused += status == EXIT_UNREACHABLE;
	}
	assert_true(refused > 0 && started > 0);
}
