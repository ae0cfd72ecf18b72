// Scenario: the command line. Every option with every kind of bad value: status 2, one line that
// names the given and the allowed values, nothing on standard output. And the effect of good
// values.
#include <fcntl.h>
#include <signal.h>

#include "base/cmdline.h"
#include "base/cpus.h"
#include "peer.h"
#include "stats.h"

#define LONG_PATH                                                                     \
	"/tmp/0123456789012345678901234567890123456789012345678901234567890123456789" \
	"01234567890123456789012345678901234567890"

static const char ports[] = "from 0 to 65535";

static const struct bad_option {
	const char *option;
	const char *values;  // with | between them
	const char *allowed; // in the line, about the allowed values
} bad_options[] = {
	{"--listen", "|7000|localhost|::1:7000|1.2.3.4:5:6|[::1]|[::1]7000|[::1:7000|[]:7000",
	 "PORT"},
	{"--listen", "127.0.0.1:|127.0.0.1:x|127.0.0.1:-1|127.0.0.1: 80|[::1]:1e3|:0x10", ports},
	{"--listen", "127.0.0.1:65536", ports},
	{"--listen", "unix:|unix:" LONG_PATH, ""},
	{"--listen-proxy", "|7000|localhost|[::1]", "PORT"},
	{"--listen-proxy", "127.0.0.1:65536", ports},
	{"--workers", "0|-1|4097|4294967296|18446744073709551617|1e3|0x10| 5|5 |5x|1.5|",
	 "from 1 to 4096"},
	{"--max-connections", "0|-1|x|1.5|99999999999999999999|5k5|", "from 1 to"},
	{"--max-per-source", "-1|x|1.5|99999999999999999999|", " to "},
	{"--source-prefix6", "0|129|x|/64|", " to "},
	{"--overload", "|drop|Wait|wait |reset,wait|waitreset", "reset"},
	{"--idle-timeout", "|5|-1s|1x|s|1 s|nan|1e3s|Never|inf|0", "never"},
	{"--send-timeout", "|5|-1s|1x|ms|1 s|1e3s|forever|0", "never"},
	{"--drain-delay", "|5|-1s|1x|never|2h|1e3s", ""},
	{"--drain-timeout", "|5|-1s|1x|ms|1 s|1e3s", "ms, s, m, h"},
	{"--backlog", "0|-1|x||1.5|65536|99999999999999999999", "from 1 to"},
	{"--buffer-size", "0|-1|x||1kb|k|64 k|99999999999999999999|1t|0x10|17m", "units k, m, g"},
	{"--log-level", "|loud|Debug|warn |5", "debug"},
	{"--log-format", "|xml|JSON", "json"},
	{"--control", "|" LONG_PATH, ""},
};

static void refuses(const char *option, const char *value, const char *const *texts) {
	daemon_refuses(SPEC(option, value), EXIT_USAGE, texts);
	assert_false(place_exists(place_path("ctl")));
	test_clean_up();
}

TEST(bad_values) {
	for (size_t i = 0; i < COUNT_OF(bad_options); i++) {
		const struct bad_option *bad = &bad_options[i];
		char *values = strdup(bad->values), *rest = values;
		for (const char *value; (value = strsep(&rest, "|"));) {
			// The line names the port, if the port is wrong.
			const char *part = bad->allowed == ports ? strrchr(value, ':') + 1 : value;
			const char *given = test_text("'%.20s", part);
			refuses(bad->option, value, STRINGS(bad->option, given, bad->allowed));
		}
		free(values);
	}
	// Found when the server starts.
	refuses("--listen", "[fe80::1]:7", STRINGS("needs %INTERFACE"));
}

TEST(invalid_options) {
	static const char *const words[][2] = {
		{"--no-such", NULL}, {"-x", NULL},  {"operand", NULL},
		{"--", "operand"},   {"-w", NULL},  {"--listen", NULL},
		{"--worker=", NULL}, {"-wx", NULL}, {"--help=yes", NULL}};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct process *process = EXPECT_STATUS(EXIT_USAGE, ECHOD_PROGRAM, "--control",
							"none", words[i][0], words[i][1]);
		process_expect_complaint(process, "echod: ", STRINGS(""));
	}
}

TEST(help_and_version) {
	static const char *const words[] = {"--help", "-h", "--version", "-V"};
	static const char version[] = "echod " ECHOD_VERSION;
	for (size_t i = 0; i < 4; i++) {
		struct process *process = EXPECT_STATUS(EXIT_OK, ECHOD_PROGRAM, words[i]);
		assert_string_equal(process_errors(process, NULL), "");
		const char *text = process_output(process, NULL);
		if (i >= 2) {
			assert_true(strncmp(text, version, strlen(version)) == 0);
			assert_int_equal(process_count_lines(text), 1);
			continue;
		}
		for (size_t j = 0; j < COUNT_OF(bad_options); j++)
			assert_contains(text, bad_options[j].option);
	}
}

TEST(help_into_a_full_device) {
	FILE *full = fopen("/dev/full", "we");
	assert_non_null(full);
	struct process *process = process_run_to(
		EXIT_UNREACHABLE,
		PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "--help"), .out = fileno(full)));
	fclose(full);
	assert_int_equal(process_count_lines(process_errors(process, NULL)), 1);
}

static void ignore_sigpipe(void) { signal(SIGPIPE, SIG_IGN); }

TEST(help_that_nobody_reads) {
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	struct process *process = process_run_to(
		EXIT_UNREACHABLE, PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "--help"),
					  .out = ends[1], .prepare = ignore_sigpipe));
	close(ends[1]);
	assert_string_equal(process_errors(process, NULL), "");
}

static const char *const edges[] = {"--workers 1",	   "-w 300",
				    "--max-connections 1", "--max-per-source 1",
				    "--overload wait",	   "--idle-timeout never",
				    "--idle-timeout 10h",  "--send-timeout 1500us",
				    "--drain-timeout 0",   "--drain-timeout 2h",
				    "--drain-delay 0",	   "--drain-delay 1ms",
				    "--backlog 1",	   "--buffer-size 1",
				    "--buffer-size 16m",   "--log-level error",
				    "--log-level debug",   "--log-format json",
				    "--buffer-size 1.5k",  "--idle-timeout 0.5h"};

// Each is an option of the server.
TEST_ROWS(edges_of_the_allowed_values, const char *const *edge, edges) {
	(void)edge;
	struct daemon *daemon = daemon_start(NULL);
	peer_visit(daemon->address[0]);
	stats_wait(daemon, "connections_closed_peer", 1);
	daemon_stop(daemon);
}

DAEMON_TEST(workers, ("-w", "33")) {
	assert_int_equal(stats_counter(daemon, "workers"), 33);
	assert_true(process_threads(daemon->process) >= 33 + 3);
}

DAEMON_TEST(workers_by_default, (NULL)) {
	unsigned cpus = cpus_usable(pthread_self());
	assert_int_equal(stats_counter(daemon, "workers"), cpus > 4 ? cpus : 4);
}

DAEMON_TEST(no_control_socket, ("--control", "none")) {
	peer_visit(daemon->address[0]);
	assert_false(place_exists("none"));
}
