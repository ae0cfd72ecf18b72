// Scenario: with which status echoload ends, and what it says where.
#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "odd_server.h"
#include "peer.h"
#include "place.h"
#include "stats.h"

TEST(nobody_listens) {
	const char *address = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	const char *both = test_text("any of 2 targets: first to %s: refused: ", address);
	load_refuses(EXIT_UNREACHABLE, "Connection refused", address, "-d", "never", "-c", "20",
		     "-t", "2");
	load_refuses(EXIT_UNREACHABLE, both, address, address, "-d", "never");
	load_refuses(EXIT_UNREACHABLE, "refused", place_address("no\nbody"), "--json", "-", "-d",
		     "never");
	load_refuses(EXIT_UNREACHABLE, ": refused: Connection refused", address, "--search",
		     "p99<1ms", "-d", "1s");
}

DAEMON_TEST(no_control_socket, (NULL)) {
	const char *path = place_path("no-control");
	load_refuses(EXIT_UNREACHABLE, path, daemon->address[0], "--control", path, "-n", "1");
	assert_int_equal(stats_counter(daemon, "connections_accepted"), 0);
}

#define AB "ab", "127.0.0.1:1", "127.0.0.1:2"

TEST(wrong_usage) {
	static const struct {
		const char *arguments[7];
		const char *named;
	} cases[] = {
		{{"--no-such-option"}, "no-such-option"},
		{{"--json", "-", "--csv", "/dev/stderr"}, "where the report goes"},
		{{"merge"}, "merge"},
		{{"compare", "one"}, "two results are needed"},
		{{"report"}, "report"},
		{{"ab", "127.0.0.1:1"}, "two targets"},
		{{"ab", "b=127.0.0.1:1", "127.0.0.1:2"}, "'b'"},
		{{"ab", "x=", "127.0.0.1:2"}, "''"},
		{{"ab", "seventeen_letters=127.0.0.1:1"}, "1 to 16"},
		{{AB, "--slice", "0"}, "--slice"},
		{{AB, "--until", "1"}, "--until"},
		{{AB, "--rounds", "9", "-d1s"}, "--rounds"},
		{{AB, "-m", "idle"}, "idle"},
		{{AB, "--cpu", "1023"}, "CPU 1023"},
		{{AB, "--expect", "c.rate>=1"}, "'c'"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		load_refuses_with(load_arguments(STRINGS(ECHOLOAD_PROGRAM), cases[i].arguments),
				  EXIT_USAGE, cases[i].named);
}

DAEMON_TEST(checks, (NULL)) {
	struct process *process =
		load_ends(EXIT_OK, daemon->address[0], "-n", "500", "--allow-client-bound",
			  "--expect", "errors==0", "--expect", "messages==500", "--expect",
			  "faults<1", "--expect", "bytes_verified>=500");
	assert_string_equal(process_errors(process, NULL), "");
	load_expect_report(process_output(process, NULL));
	// Half a second says nothing about speed, whether the check holds or not.
	process = load_ends(EXIT_INCONCLUSIVE, daemon->address[0], "-d", "500ms",
			    "--allow-client-bound", "--expect", "p50<1h");
	assert_string_equal(process_errors(process, NULL), "");
	load_ends(EXIT_CHECK_FAILED, daemon->address[0], "-n", "500", "--allow-client-bound",
		  "--expect", "messages>500", "--expect", "errors==0");
	process = load_ends(EXIT_INCONCLUSIVE, daemon->address[0], "-n", "500", "--expect",
			    "messages>500", "--expect", "errors==0", "--expect", "p50<1us");
	load_expect_report(process_output(process, NULL));
	const char *lines = process_errors(process, NULL);
	assert_int_equal(process_count_lines(lines), 2);
	assert_contains(lines, "echoload: expected messages>500, measured 500\n");
	assert_contains(lines, "echoload: expected p50<1us, measured ");
}

static const char *const options[] = {"--json", "--hgrm", "--hlog", "--csv"};

// Known before the load begins, not after an hour of it.
DAEMON_TEST(output_that_cannot_be_written, (NULL)) {
	const char *path = place_path("no-such-folder/file");
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		load_refuses(EXIT_UNREACHABLE, path, daemon->address[0], options[i], path, "-d",
			     "never");
		load_refuses(EXIT_UNREACHABLE, path, daemon->address[0], options[i], path,
			     "--search", "p99<1s");
	}
	assert_int_equal(stats_counter(daemon, "connections_accepted"), 0);
}

// Each program, in each way in which it prints.
DAEMON_TEST(standard_output_is_full, (NULL)) {
	const char *const server = daemon->address[0];
	const char *const lines[][8] = {
		{ECHOD_PROGRAM, "--help"},
		{ECHOD_PROGRAM, "--version"},
		{ECHOCTL_PROGRAM, "--help"},
		{ECHOCTL_PROGRAM, "-c", daemon->control, "stats"},
		{ECHOCTL_PROGRAM, "-c", daemon->control, "connections", "--json"},
		{ECHOCTL_PROGRAM, "-c", daemon->control, "stats", "--watch", "10ms"},
		{ECHOCAT_PROGRAM, "--help"},
		{ECHOCAT_PROGRAM, "--message", "x", server},
		{ECHOCAT_PROGRAM, "--count", "3", "-i", "1ms", server},
		{ECHOLOAD_PROGRAM, "--help"},
		{ECHOLOAD_PROGRAM, "merge", "--help"},
		{ECHOLOAD_PROGRAM, "-n", "9", server},
		{ECHOLOAD_PROGRAM, "-d", "1s", "-i", "1s", server},
		{ECHOLOAD_PROGRAM, "-n", "9", "--json", "-", server},
		{ECHOLOAD_PROGRAM, "-n", "9", "--csv", "/dev/stdout", server},
	};
	FILE *full = fopen("/dev/full", "we");
	assert_non_null(full);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct process *process = process_run_to(
			EXIT_UNREACHABLE, PROCESS(.arguments = lines[i], .out = fileno(full)));
		assert_contains(process_errors(process, NULL), "No space left on device");
	}
	fclose(full);
}

DAEMON_TEST(disk_is_full, (NULL)) {
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		struct process *process = load_ends(EXIT_UNREACHABLE, daemon->address[0],
						    options[i], "/dev/full", "-n", "9");
		const char *line = process_errors(process, NULL);
		assert_int_equal(process_count_lines(line), 1);
		assert_contains(line, "'/dev/full': No space left on device");
	}
}

// What was sent and not answered fails a run, whatever its errors and faults are; unless it is
// allowed, or has a limit of its own. A percentile of too few messages is none.
TEST(lost_messages_fail) {
	static const char none[] = "expected unanswered==0, measured 4\n",
			  four[] = "expected unanswered<4, measured 4\n",
			  few[] = "expected p99.9<1s, which was not measured: it takes 1000 "
				  "samples, there are 40";
	static const struct {
		const char *arguments[5];
		int status;
		const char *said;
	} cases[] = {
		{{"-d500ms", "--expect=errors==0", "--expect=faults==0"}, EXIT_CHECK_FAILED, none},
		{{"-d", "500ms"}, EXIT_CHECK_FAILED, none},
		{{"-d", "500ms", "--allow-errors"}, EXIT_OK, ""},
		{{"-d", "500ms", "--expect", "unanswered<5"}, EXIT_OK, ""},
		{{"-d500ms", "--allow-errors", "--expect=unanswered<4"}, EXIT_CHECK_FAILED, four},
		{{"-n", "40", "--expect", "p99.9<1s"}, EXIT_INCONCLUSIVE, few},
	};
	struct odd_server *server = odd_server(ODD_LOSES, .arg = 50);
	const char *const *fixed = STRINGS(ECHOLOAD_PROGRAM, server->address, "-c", "4",
					   "--timeout", "1m", "--allow-client-bound");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct process *process = process_run_to(
			cases[i].status,
			PROCESS(.arguments = load_arguments(fixed, cases[i].arguments)));
		assert_contains(process_errors(process, NULL), cases[i].said);
	}
}
