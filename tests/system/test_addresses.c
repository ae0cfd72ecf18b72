// Scenario: the addresses that a server listens on, for all programs: sockets without a file.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "peer.h"
#include "place.h"

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SPEC(...) (&(struct process_spec){.arguments = OPTIONS(__VA_ARGS__)})

// Runs a client, which must end well and print `text`.
static void run_client(const char *text, const char *const *arguments)
{
	struct process *process;
	int status = process_run(&(struct process_spec){.arguments = arguments}, &process);
	if (status != EXIT_OK)
		fail_msg("%s ended with %d: %s", arguments[0], status,
			 process_errors(process, NULL));
	assert_non_null(strstr(process_output(process, NULL), text));
}

static void test_abstract_sockets(void **state)
{
	(void)state;
	char address[64], control_as_address[64];
	const char *control = control_as_address + strlen("unix:");
	snprintf(address, sizeof(address), "unix:@echod-test-%d", (int)getpid());
	snprintf(control_as_address, sizeof(control_as_address), "unix:@echod-test-%d-ctl",
		 (int)getpid());
	struct daemon *daemon = daemon_start("--listen", address, "--control", control, NULL);
	assert_string_equal(daemon->address[0], address);
	assert_false(place_exists(address + 5));
	int fd = peer_connect(address);
	peer_ping(fd);
	peer_close(fd);
	run_client("hello", OPTIONS(ECHOCAT_PROGRAM, "-m", "hello", address));
	run_client("faults", OPTIONS(ECHOLOAD_PROGRAM, address, "-n", "10", "-c", "2", "--control",
				     control, "--allow-client-bound"));
	run_client("pong", OPTIONS(ECHOCTL_PROGRAM, "-c", control, "ping"));
	run_client("pong", OPTIONS(ECHOCTL_PROGRAM, "-c", control_as_address, "ping"));
	daemon_refuses(SPEC("--listen", address), EXIT_UNREACHABLE,
		       TEXTS(address + 5, "a live server has this name"));
	daemon_refuses(SPEC("--control", control), EXIT_UNREACHABLE,
		       TEXTS("control socket", control, "a live server has this name"));
	// Nothing is left of a server that was killed.
	process_kill(daemon->process);
	daemon_stop(daemon_start("--listen", address, "--control", control_as_address, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		daemon_test(test_abstract_sockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
