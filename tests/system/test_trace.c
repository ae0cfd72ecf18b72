// Scenario: echoctl follows a connection to its end, as lines and as a picture.
#include "base/cmdline.h"
#include "ctl.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define TRACE(...) ECHOCTL_PROGRAM, "--control", daemon->control, "trace", __VA_ARGS__

// Whether somebody else has asked between two questions of ours.
static bool is_asked(struct daemon *daemon) {
	uint64_t before = stats_counter(daemon, "control_requests");
	return stats_counter(daemon, "control_requests") > before + 1;
}

// As a picture until a signal, and as lines for a time.
DAEMON_TEST(an_open_connection_is_shown, (NULL)) {
	int fd = peer_connect_served(daemon->address[0]);
	struct process *picture = process_start_simple(TRACE("1", "--svg"));
	wait_until(is_asked(daemon)); // it has begun the trace
	char *body = NULL;
	wait_until((peer_ping(fd), ctl_request(daemon->control, "trace 1 svg", &body),
		    strstr(test_keep(body), ">sent 64 bytes<")));
	for (int i = 0; i < 2; i++) // so that it has read an answer with that
		wait_until(is_asked(daemon));
	process_end(picture);
	size_t size;
	const char *svg = process_output(picture, &size);
	const char *program = "import sys, xml.etree.ElementTree as tree\n"
			      "texts = [node.text for node in tree.parse(sys.argv[1]).getroot()]\n"
			      "print(texts.count('worker'), 'sent 64 bytes' in texts)";
	assert_string_equal(OUTPUT_OF("python3", "-c", program, place_file("svg", svg, size)),
			    "1 True\n");
	uint64_t before = stats_counter(daemon, "control_requests"), begin = clock_now();
	EXPECT_STATUS(EXIT_OK, TRACE("1", "--duration", "100ms"));
	uint64_t lasted = clock_now() - begin, asked = stats_counter(daemon, "control_requests");
	assert_true(lasted >= 100 * NS_PER_MS);
	assert_in_range(asked - before, 2, 3 + lasted / (20 * NS_PER_MS));
	peer_close(fd);
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
