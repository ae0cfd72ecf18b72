// Scenario: a service manager is told when the server is ready, what it does, that it ends, and
// that its threads get on. The test is the manager.
#include <signal.h>
#include <sys/socket.h>

#include "ctl.h"
#include "daemon.h"
#include "peer.h"

// The manager's socket for messages.
static int bind_manager(const char *path) {
	struct endpoint endpoint;
	assert_int_equal(endpoint_from_path(path, &endpoint, NULL), 0);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &endpoint.as.any, endpoint.length), 0);
	return fd;
}

// echod with that manager, to which it gives a sign of life every 50 ms.
static struct daemon *start_watched(const char *path, const char *option, const char *value) {
	return daemon_start_as(PROCESS(.arguments = STRINGS(option, value),
				       .environment = STRINGS(test_text("NOTIFY_SOCKET=%s", path),
							      "WATCHDOG_USEC=100000")));
}

// The next message other than a sign of life, which are counted.
static const char *next_message(int manager, int *signs) {
	static char message[400];
	for (;;) {
		struct pollfd readable = {.fd = manager, .events = POLLIN};
		assert_int_equal(poll(&readable, 1, (int)(PATIENCE / NS_PER_MS)), 1);
		ssize_t length = recv(manager, message, sizeof(message) - 1, 0);
		assert_true(length > 0);
		message[length] = '\0';
		if (strcmp(message, "WATCHDOG=1") != 0)
			return message;
		++*signs;
	}
}

TEST(the_manager_is_told) {
	const char *path = place_path("notify");
	int manager = bind_manager(path), signs = 0;
	struct daemon *daemon = start_watched(path, "--drain-timeout", "20s");
	assert_string_equal(next_message(manager, &signs),
			    test_text("READY=1\nSTATUS=listening on %s", daemon->address[0]));
	assert_int_equal(signs, 0);
	int client = peer_connect_served(daemon->address[0]);
	assert_int_equal(ctl_request(daemon->control, "drain", NULL), 200);
	const char *message = next_message(manager, &signs);
	assert_true(signs > 0);
	unsigned long long us;
	assert_int_equal(sscanf(message, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n", &us), 1);
	assert_true(us > 15000000 && us <= 25000000);
	assert_contains(message, "\nSTATUS=draining");
	process_signal(daemon->process, SIGTERM);
	assert_contains(next_message(manager, &signs), "STOPPING=1\n"); // another deadline
	signs = 0;
	while (signs < 3) { // while it drains
		char sign[16] = "";
		assert_true(recv(manager, sign, sizeof(sign) - 1, 0) > 0);
		assert_string_equal(sign, "WATCHDOG=1");
		signs++;
	}
	peer_ping_last(client);
	daemon_expect_end(daemon);
	close(manager);
}

TEST(the_end_that_echoctl_asks_for_is_told) {
	const char *path = place_path("notify");
	int manager = bind_manager(path), signs = 0;
	struct daemon *daemon = daemon_start_as(
		PROCESS(.arguments = STRINGS(NULL),
			.environment = STRINGS(test_text("NOTIFY_SOCKET=%s", path))));
	next_message(manager, &signs);
	assert_int_equal(ctl_request(daemon->control, "drain", NULL), 200);
	daemon_expect_end(daemon);
	const char *message = next_message(manager, &signs);
	assert_contains(message, "STOPPING=1\nEXTEND_TIMEOUT_USEC=");
	assert_int_equal(signs, 0);
	close(manager);
}

TEST(a_manager_of_an_unknown_kind_is_none) {
	struct daemon *daemon =
		daemon_start_as(PROCESS(.arguments = STRINGS(NULL),
					.environment = STRINGS("NOTIFY_SOCKET=vsock:2:99")));
	process_expect_error_text(daemon->process,
				  "$NOTIFY_SOCKET: 'vsock:2:99' is neither a path nor @NAME");
	daemon_stop(daemon);
}
