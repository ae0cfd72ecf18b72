// Scenario: the addresses that a server listens on, for all programs: sockets without a file.
#include "base/cmdline.h"
#include "daemon.h"
#include "peer.h"
#include "place.h"

TEST(abstract_sockets) {
	const char *address = test_text("unix:@echod-test-%d", (int)getpid());
	const char *control_as_address = test_text("%s-ctl", address);
	const char *control = control_as_address + strlen("unix:");
	struct daemon *daemon = daemon_start("--listen", address, "--control", control);
	assert_string_equal(daemon->address[0], address);
	assert_false(place_exists(address + 5));
	peer_visit(address);
	assert_contains(OUTPUT_OF(ECHOCAT_PROGRAM, "-m", "hello", address), "hello");
	assert_contains(OUTPUT_OF(ECHOLOAD_PROGRAM, address, "-n", "10", "-c", "2", "--control",
				  control, "--allow-client-bound"),
			"faults");
	assert_contains(OUTPUT_OF(ECHOCTL_PROGRAM, "-c", control, "ping"), "pong");
	assert_contains(OUTPUT_OF(ECHOCTL_PROGRAM, "-c", control_as_address, "ping"), "pong");
	daemon_refuses(SPEC("--listen", address), EXIT_UNREACHABLE,
		       STRINGS(address + 5, "a live server has this name"));
	daemon_refuses(SPEC("--control", control), EXIT_UNREACHABLE,
		       STRINGS("control socket", control, "a live server has this name"));
	// Nothing is left of a server that was killed.
	process_kill(daemon->process);
	daemon_stop(daemon_start("--listen", address, "--control", control_as_address));
}
