// Scenario: a name has several addresses, and the server is not at the first. The test has a
// network and names of its own.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "network.h"

#define PORT "7781"
#define BOTH "both.test:7781"

BEFORE_ALL {
	network_enter();
	network_hosts("::1 both.test six.test\n127.0.0.1 both.test four.test\n");
}

static void expect_echocat(const char *name, const char *timeout, int wanted, const char *errors) {
	struct process *client = EXPECT_STATUS(wanted, ECHOCAT_PROGRAM, "--message", "x",
					       "--timeout", timeout, name, PORT);
	assert_string_equal(process_errors(client, NULL), errors);
}

TEST(each_address_is_tried) {
	static const char *const addresses[] = {"[::1]:" PORT, "127.0.0.1:" PORT};
	for (size_t i = 0; i < 2; i++) {
		struct daemon *daemon = daemon_start("--listen", addresses[i]);
		expect_echocat("both.test", "10s", EXIT_OK, "");
		json_t *result = load_run(EXIT_OK, BOTH, "-c", "3", "--count", "30");
		assert_int_equal(load_errors(result, NULL), 0);
		const json_t *targets = load_member(result, "configuration.targets");
		assert_string_equal(json_string_value(json_array_get(targets, 0)), addresses[i]);
		daemon_stop(daemon);
	}
}

// A listener at ::1 that answers nothing: its backlog is full, so the kernel drops new connections.
static int open_black_hole(int *fillers) {
	const struct sockaddr_in6 name = {.sin6_family = AF_INET6,
					  .sin6_port = htons(7781),
					  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 0), 0);
	for (int i = 0; i < 2; i++) {
		fillers[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (const struct sockaddr *)&name, sizeof(name));
		struct pollfd connected = {.fd = fillers[i], .events = POLLOUT};
		assert_int_equal(poll(&connected, 1, i == 0 ? -1 : 0), i == 0);
	}
	return fd;
}

TEST(an_address_that_does_not_answer_is_left) {
	int fillers[2];
	int black_hole = open_black_hole(fillers);
	struct daemon *daemon = daemon_start("--listen", "127.0.0.1:" PORT);
	expect_echocat("both.test", "10s", EXIT_OK, "");
	json_t *result = load_run(EXIT_OK, BOTH, "--timeout", "10s", "-n", "9");
	assert_int_equal(load_errors(result, NULL), 0);
	expect_echocat("six.test", "100ms", EXIT_UNREACHABLE,
		       "echocat: cannot connect to [::1]:" PORT ": no answer within 100.0 ms\n");
	daemon_stop(daemon);
	for (int i = 0; i < 2; i++)
		close(fillers[i]);
	close(black_hole);
}

TEST(all_addresses_are_named) {
	static const char text[] =
		"cannot connect to [::1]:" PORT ": Connection refused, nor to 127.0.0.1:" PORT
		": Connection refused\n";
	struct process *process = load_ends(EXIT_UNREACHABLE, BOTH, "-d", "1s");
	assert_contains(process_errors(process, NULL), text);
	process = EXPECT_STATUS(EXIT_UNREACHABLE, ECHOCAT_PROGRAM, "both.test", PORT);
	assert_contains(process_errors(process, NULL), text);
}
