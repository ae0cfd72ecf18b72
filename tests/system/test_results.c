// Scenario: what programs write survives: a file that may grow no further, names that are not
// UTF-8, and a standard output without a reader while a run lasts.
#include <fcntl.h>
#include <math.h>

#include "base/cmdline.h"
#include "blocked.h"
#include "ctl.h"
#include "daemon.h"
#include "load.h"
#include "place.h"

#define ARGUMENTS 12
#define LIMIT 200 // bytes that a file may have: less than any result, more than a message

static const struct {
	const char *arguments[ARGUMENTS];
	int keeps_old; // the output is replaced as a whole or not at all
} limited[] = {
	{{ECHOLOAD_PROGRAM, WORD_ADDRESS, "-n", "100", "--json", WORD_OUTPUT}, 1},
	{{ECHOLOAD_PROGRAM, WORD_ADDRESS, "-n", "100", "--hgrm", WORD_OUTPUT}, 1},
	{{ECHOLOAD_PROGRAM, WORD_ADDRESS, "-n", "100", "--hlog", WORD_OUTPUT}, 0},
	{{ECHOLOAD_PROGRAM, WORD_ADDRESS, "-d", "2200ms", "--csv", WORD_OUTPUT}, 0},
	{{ECHOLOAD_PROGRAM, "merge", "-o", WORD_OUTPUT, WORD_RESULT}, 1},
	{{ECHOLOAD_PROGRAM, "merge", WORD_RESULT}, 0},
	{{ECHOLOAD_PROGRAM, "--help"}, 0},
	{{ECHOCTL_PROGRAM, "-c", WORD_CONTROL, "stats"}, 0},
	{{ECHOCTL_PROGRAM, "-c", WORD_CONTROL, "stats", "-w", "10ms"}, 0},
	{{ECHOCAT_PROGRAM, WORD_ADDRESS}, 0},
	{{ECHOCAT_PROGRAM, WORD_ADDRESS, "-c", "0"}, 0},
	{{ECHOD_PROGRAM, "--help"}, 0},
};

DAEMON_TEST(file_that_may_not_grow, (NULL)) {
	const char *result = place_path("result");
	load_ends(EXIT_OK, "--allow-client-bound", daemon->address[0], "-n", "100", "--json",
		  result);
	for (size_t i = 0; i < COUNT_OF(limited); i++) {
		const char *arguments[ARGUMENTS + 1] = {NULL};
		const char *output = place_file("output", "old", 3);
		int to_output = 0;
		for (size_t j = 0; j < ARGUMENTS && limited[i].arguments[j]; j++) {
			arguments[j] =
				words_put_in(limited[i].arguments[j], daemon, result, output);
			to_output |= arguments[j] == output;
		}
		int out = open(to_output ? "/dev/null" : output, O_WRONLY | O_CLOEXEC);
		int in = open(ECHOD_PROGRAM, O_RDONLY | O_CLOEXEC);
		struct process *process = process_run_to(
			EXIT_UNREACHABLE, PROCESS(.arguments = arguments, .in = in, .out = out,
						  .fsize = {LIMIT, LIMIT}));
		close(in);
		close(out);
		assert_contains(process_errors(process, NULL), ": File too large\n");
		assert_int_equal(place_count(".tmp"), 0);
		assert_int_equal(strcmp(place_read(output), "old") == 0, limited[i].keeps_old);
	}
}

#define ODD_NAME "caf\xe9 \xc3\xa9\t\"\\"  // neither UTF-8 nor printable
#define ODD_TEXT "caf\\xE9 \xc3\xa9\t\"\\" // as it stands in JSON

// The names of sockets come from outside, and stand in what the server and echoload write.
TEST(names_that_are_not_utf_8) {
	const char *listen = place_address("s" ODD_NAME);
	const char *control = place_path("c" ODD_NAME), *result = place_path("result" ODD_NAME);
	struct daemon *daemon = daemon_start("--listen", listen, "--control", control, NULL);
	load_ends(EXIT_OK, "--allow-client-bound", listen, "-n", "100", "--control", control,
		  "--json", result);
	json_t *json = load_result_of_file(result);
	assert_contains(load_text(json, "configuration.targets.0"), "/s" ODD_TEXT);
	assert_contains(load_text(json, "configuration.control"), "/c" ODD_TEXT);

	struct process *client = process_start_simple(ECHOCAT_PROGRAM, listen, "-c", "0");
	wait_until(strstr(process_output(client, NULL), "seq=1"));
	char *body;
	assert_int_equal(ctl_request(daemon->control, "connections json", &body), 200);
	json = json_from(body);
	assert_contains(load_text(json, "connections.0.local"), "/s" ODD_TEXT);
	free(body);
	process_kill(client);
	daemon_stop(daemon);
}

// In text, where a line is one fact, a name does not break it.
TEST(names_that_are_no_line) {
	const char *listen = place_address("a\nb");
	struct daemon *daemon = daemon_start("--listen", listen, NULL);
	assert_contains(daemon->address[0], "/a?b");
	struct process *client = process_start_simple(ECHOCAT_PROGRAM, listen, "-c", "0");
	wait_until(strstr(process_output(client, NULL), "seq=1"));
	assert_contains(process_output(client, NULL), "/a?b: seq=1");
	char *body;
	assert_int_equal(ctl_request(daemon->control, "connections", &body), 200);
	assert_int_equal(process_count_lines(body), 2);
	assert_contains(body, "/a?b ");
	free(body);
	process_kill(client);
	daemon_stop(daemon);
}

static size_t count_rows(const char *path) {
	return place_exists(path) ? process_count_lines(place_read(path)) : 0;
}

struct stalled {
	struct blocked blocked;
	struct process *process;
	const char *csv, *result;
};

static void stall(struct stalled *stalled, const struct daemon *daemon, enum blocked_kind kind) {
	const char *name = place_path(blocked_names[kind]);
	*stalled = (struct stalled){.csv = test_text("%s.csv", name),
				    .result = test_text("%s.json", name)};
	blocked_open(&stalled->blocked, kind);
	const char *const *arguments =
		STRINGS(ECHOLOAD_PROGRAM, daemon->address[0], "--allow-client-bound", "-i", "1s",
			"-d", "2s", "--rate", "100", "--expect", "unanswered>=0", "--csv",
			stalled->csv, "--json", stalled->result);
	stalled->process =
		process_start(PROCESS(.arguments = arguments, .out = stalled->blocked.writer));
}

// The rows and the result are complete while nothing that is printed has gone anywhere.
static void expect_results(struct stalled *stalled) {
	static char text[1 << 16];
	size_t length = 0;
	wait_until(place_exists(stalled->result));
	json_t *json = load_result_of_file(stalled->result);
	const json_t *intervals = load_member(json, "intervals"), *interval;
	double seconds = 0; // a late main thread makes one interval of two
	size_t i;
	json_array_foreach(intervals, i, interval) { seconds += load_number(interval, "seconds"); }
	assert_true(fabs(seconds - 2) < 0.001);
	assert_int_equal(count_rows(stalled->csv), 1 + json_array_size(intervals));
	assert_true(process_is_running(stalled->process));
	blocked_release(&stalled->blocked);
	while (process_is_running(stalled->process))
		length = blocked_read(&stalled->blocked, text, length, sizeof(text));
	(void)blocked_read(&stalled->blocked, text, length, sizeof(text));
	assert_int_equal(process_wait(stalled->process), EXIT_OK);
	assert_contains(text, "verdict");
	blocked_close(&stalled->blocked);
}

DAEMON_TEST(runs_beside_a_stalled_output, (NULL)) {
	struct stalled stalled[BLOCKED_KINDS];
	for (enum blocked_kind kind = 0; kind < BLOCKED_KINDS; kind++)
		stall(&stalled[kind], daemon, kind);
	for (enum blocked_kind kind = 0; kind < BLOCKED_KINDS; kind++)
		expect_results(&stalled[kind]);
}

// Neither is a progress line waited for, which a stopped terminal does not take.
DAEMON_TEST(run_beside_a_stopped_terminal, (NULL)) {
	struct blocked blocked;
	blocked_open(&blocked, BLOCKED_TERMINAL);
	struct process *process =
		process_start(PROCESS(.arguments = STRINGS(ECHOLOAD_PROGRAM, daemon->address[0],
							   "--allow-client-bound", "-d", "500ms"),
				      .environment = STRINGS("TERM=xterm"), .err = blocked.writer));
	assert_int_equal(process_wait(process), EXIT_OK);
	load_expect_report(process_output(process, NULL));
	blocked_close(&blocked);
}
