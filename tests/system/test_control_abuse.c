// Scenario: control clients that are wrong, slow, silent, flooding, too many, strangers or gone.
// None disturbs another client or the echo.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ctl.h"
#include "expect.h"
#include "peer.h"
#include "stats.h"

#define CLIENTS 16 // at a time

static void expect_undisturbed(struct daemon *daemon) {
	assert_int_equal(ctl_request(daemon->control, "ping", NULL), 200);
	peer_visit(daemon->address[0]);
}

DAEMON_TEST(garbage, ("--log-level", "debug")) {
	for (uint64_t seed = 1; seed <= 30; seed++) {
		char bytes[20000];
		pattern_fill(seed, 0, bytes, sizeof(bytes));
		int fd = ctl_connect(daemon->control);
		// The server may close it at any time.
		for (int i = 0; i < 5 && peer_send_some(fd, bytes, sizeof(bytes)) >= 0; i++)
			poll(NULL, 0, 1);
		close(fd);
	}
	expect_undisturbed(daemon);
	size_t size;
	const char *log = process_errors(daemon->process, &size);
	for (size_t i = 0; i < size; i++)
		assert_true(log[i] == '\n' || (log[i] >= ' ' && log[i] <= '~'));
}

DAEMON_TEST(silent_clients_make_room, (NULL)) {
	size_t before = process_descriptors(daemon->process);
	int fds[100];
	for (size_t i = 0; i < 100; i++) {
		fds[i] = ctl_connect(daemon->control);
		assert_int_equal(ctl_request(daemon->control, "ping", NULL), 200);
	}
	assert_true(process_descriptors(daemon->process) <= before + CLIENTS);
	expect_undisturbed(daemon);
	peer_close_all(fds, 100);
}

// A client that has asked is not silent, even if the server has not read the request yet: it does
// not make room for one that comes later.
DAEMON_TEST(clients_that_have_asked_are_answered, (NULL)) {
	int fds[CLIENTS + 1];
	for (size_t i = 0; i < CLIENTS; i++) {
		fds[i] = ctl_connect(daemon->control);
		assert_int_equal(ctl_ask(fds[i], "ping", NULL), 200);
	}
	process_stop(daemon->process);
	fds[CLIENTS] = ctl_connect(daemon->control);
	for (size_t i = 0; i <= CLIENTS; i++)
		ctl_send(fds[i], "ping\n");
	process_signal(daemon->process, SIGCONT);
	for (size_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(ctl_receive(fds[i], NULL), 200);
		peer_close(fds[i]);
	}
	int status = ctl_receive(fds[CLIENTS], NULL);
	assert_true(status == 429 || status == 200);
	peer_close(fds[CLIENTS]);
	expect_undisturbed(daemon);
}

// Asks for many replies and reads none.
static int start_flood(struct daemon *daemon) {
	int fd = ctl_connect(daemon->control);
	for (int i = 0, quiet = 0; i < 10000 && quiet < 20; i++) {
		int64_t sent = peer_send_some(fd, "stats\n", 6);
		assert_true(sent == 6 || sent == 0);
		quiet = sent > 0 ? 0 : quiet + 1;
		poll(NULL, 0, sent > 0 ? 0 : 2);
	}
	return fd;
}

DAEMON_TEST(client_that_never_reads, (NULL)) {
	int fds[4];
	for (size_t i = 0; i < 4; i++)
		fds[i] = start_flood(daemon);
	for (int i = 0; i < 50; i++) {
		uint64_t begin = clock_now();
		assert_int_equal(ctl_request(daemon->control, "stats", NULL), 200);
		assert_true(clock_now() - begin < NS_PER_S || sizeof(ECHOD_SANITIZE) > 1);
	}
	expect_undisturbed(daemon);
	// In the end they are closed.
	for (size_t i = 0; i < 4; i++) {
		struct pollfd gone = {.fd = fds[i]};
		assert_int_equal(poll(&gone, 1, (int)(PATIENCE / NS_PER_MS)), 1);
		peer_close(fds[i]);
	}
}

DAEMON_TEST(vanished_clients, (NULL)) {
	size_t before = process_descriptors(daemon->process);
	for (int i = 0; i < 200; i++) {
		int fd = ctl_connect(daemon->control);
		if (i % 2)
			ctl_send(fd, "stats json\nstats json\nstats\n");
		peer_close(fd);
	}
	wait_until(process_descriptors(daemon->process) <= before);
	expect_undisturbed(daemon);
}

// Descriptors sent along with the bytes do not stay in the server.
DAEMON_TEST(descriptors_sent_along, (NULL)) {
	int fd = ctl_connect(daemon->control);
	assert_int_equal(ctl_ask(fd, "ping", NULL), 200);
	size_t before = process_descriptors(daemon->process);
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	for (int i = 0; i < 20; i++) {
		char line[] = "ping\n";
		struct iovec part = {line, 5};
		struct msghdr message = {NULL, 0, &part, 1, &control, sizeof(control), 0};
		assert_int_equal(sendmsg(fd, &message, 0), 5);
		assert_int_equal(ctl_receive(fd, NULL), 200);
	}
	assert_int_equal(process_descriptors(daemon->process), before);
	peer_close(fd);
}

// Asks in a child, as a user that is neither the server's nor root. Returns 2 if it cannot connect,
// 3 if it is refused.
static int ask_as_stranger(const char *path) {
	pid_t child = process_fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		if (!ctl_is_live(path))
			_exit(2);
		int fd = ctl_connect(path);
		char status[3];
		peer_send_some(fd, "ping\n", 5); // it may be closed already
		ssize_t got = recv(fd, status, sizeof(status), MSG_WAITALL);
		_exit(got == 3 && memcmp(status, "403", 3) == 0 ? 3 : 4);
	}
	return child_status(child);
}

// Only root can become another user. Without root, test_control's check of the mode has to do.
DAEMON_TEST(stranger, (NULL)) {
	if (geteuid() == 0) {
		assert_int_equal(chmod(place_path(""), 0711), 0);
		assert_int_equal(ask_as_stranger(daemon->control), 2);
		assert_int_equal(chmod(daemon->control, 0666), 0);
		assert_int_equal(ask_as_stranger(daemon->control), 3);
	}
	expect_undisturbed(daemon);
}
