// Scenario: echoctl follows a connection to its end, as lines and as a picture.
#include "base/cmdline.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define TRACE(...) ECHOCTL_PROGRAM, "--control", daemon->control, "trace", __VA_ARGS__

// As a picture until its time is over, and as lines until a signal.
DAEMON_TEST(an_open_connection_is_shown, (NULL)) {
	int fd = peer_connect_served(daemon->address[0]);
	struct process *picture = process_start_simple(TRACE("1", "--svg", "--duration", "200ms"));
	while (process_is_running(picture))
		peer_ping(fd);
	process_expect_status(picture, EXIT_OK);
	size_t size;
	const char *svg = process_output(picture, &size);
	assert_contains(svg, ">sent 64 bytes<");
	assert_string_equal(
		OUTPUT_OF("python3", "-c",
			  "import sys, xml.etree.ElementTree as tree\n"
			  "root = tree.parse(sys.argv[1]).getroot()\n"
			  "print(root.tag[-3:], [node.text for node in root].count('worker'))",
			  place_file("svg", svg, size)),
		"svg 1\n");
	struct process *lines = process_start_simple(TRACE("next"));
	wait_until(strstr(process_output(lines, NULL), "connection 2\n"));
	int second = peer_connect_served(daemon->address[0]);
	wait_until(strstr(process_output(lines, NULL), "  sent 64 bytes\n"));
	process_end(lines);
	peer_close(fd);
	peer_close(second);
}

DAEMON_TEST(refusals, (NULL)) {
	static const struct {
		const char *words[2], *text;
		int status;
	} rows[] = {
		{{"trace", "7"}, "trace: no connection 7 is open", EXIT_CHECK_FAILED},
		{{"trace", "x"}, "'x' is not allowed", EXIT_USAGE},
		{{"stats", "--svg"}, "--svg: only with trace", EXIT_USAGE},
		{{"ping", "-d1s"}, "--duration: only with trace", EXIT_USAGE},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		process_expect_complaint(EXPECT_STATUS(rows[i].status, ECHOCTL_PROGRAM, "--control",
						       daemon->control, rows[i].words[0],
						       rows[i].words[1]),
					 "echoctl: ", STRINGS(rows[i].text));
}

// Thousands of messages of many, one of whom is followed.
DAEMON_TEST(one_of_a_crowd_is_followed, ("--workers", "4")) {
	struct process *echoctl = process_start_simple(TRACE("next"));
	wait_until(strstr(process_output(echoctl, NULL), "connection 1\n"));
	load_run(EXIT_OK, daemon->address[0], "--connections", "20", "--duration", "300ms");
	process_expect_status(echoctl, EXIT_OK);
	assert_true(matches(process_output(echoctl, NULL), "accepted from .*closed: peer\n$"));
	assert_string_equal(process_errors(echoctl, NULL), "");
}
