// Scenario: echoctl, from the outside: what it prints where, and with which status it ends.
#include "base/cmdline.h"
#include "crowd.h"
#include "stats.h"

// Runs echoctl with these arguments; wants success and a clean standard error, and returns what it
// printed.
#define OUTPUT(path, ...) output_of(STRINGS(ECHOCTL_PROGRAM, "--control", path, __VA_ARGS__))
static const char *output_of(const char *const *arguments) {
	struct process *process = process_run_to(EXIT_OK, PROCESS(.arguments = arguments));
	assert_string_equal(process_errors(process, NULL), "");
	return process_output(process, NULL);
}

// Wants this status and one line on standard error, with `text`.
#define EXPECT_REFUSAL(status, text, path, ...)                                         \
	process_expect_complaint(                                                       \
		EXPECT_STATUS(status, ECHOCTL_PROGRAM, "--control", path, __VA_ARGS__), \
		"echoctl: ", STRINGS(text))

DAEMON_TEST(answers, (NULL)) {
	assert_string_equal(OUTPUT(daemon->control, "ping"), "pong\n");
	assert_string_equal(output_of(STRINGS(ECHOCTL_PROGRAM, "-c", daemon->control, "version")),
			    "echod " ECHOD_VERSION "\n");
	assert_contains(OUTPUT(daemon->control, "stats"), "connections_accepted");
	assert_contains(OUTPUT(daemon->control, "stats", "--prometheus"), "# TYPE ");
	static const char *const json_commands[] = {"stats", "connections", "workers"};
	for (size_t i = 0; i < COUNT_OF(json_commands); i++) {
		const char *text = OUTPUT(daemon->control, json_commands[i], "--json");
		assert_int_equal(stats_get(json_from(text), "schema"), 1);
	}
}

DAEMON_TEST(refusals, (NULL)) {
	EXPECT_REFUSAL(EXIT_USAGE, "", daemon->control, "no-such");
	EXPECT_REFUSAL(EXIT_USAGE, "", daemon->control, "log", "loud");
	EXPECT_REFUSAL(EXIT_USAGE, "", daemon->control, "--no-such-option", "ping");
	EXPECT_REFUSAL(EXIT_USAGE, "", daemon->control, "stats", "--watch", "soon");
}

TEST(nobody_there) {
	const char *path = place_path("nobody");
	EXPECT_REFUSAL(EXIT_UNREACHABLE, path, path, "ping");
	struct daemon *daemon = daemon_start(NULL);
	process_kill(daemon->process);
	EXPECT_REFUSAL(EXIT_UNREACHABLE, "", daemon->control, "ping");
	EXPECT_REFUSAL(EXIT_UNREACHABLE, "", place_file("file", "", 0), "ping");
}

DAEMON_TEST(stop_and_drain, ("--drain-timeout", "1h")) {
	int fd = peer_connect_served(daemon->address[0]);
	OUTPUT(daemon->control, "drain", "1h");
	stats_wait(daemon, "draining", 1);
	OUTPUT(daemon->control, "stop");
	daemon_expect_end(daemon);
	peer_expect_closed(fd);
}

// An answer, on standard output in any case.
static void expect_not_ready(const struct daemon *daemon, const char *reason) {
	struct process *process = EXPECT_STATUS(EXIT_CHECK_FAILED, ECHOCTL_PROGRAM, "--control",
						daemon->control, "ready");
	assert_string_equal(process_output(process, NULL), test_text("not ready: %s\n", reason));
	assert_string_equal(process_errors(process, NULL), "");
	EXPECT_STATUS(EXIT_UNREACHABLE, "sh", "-c",
		      test_text("%s -c %s ready >/dev/full", ECHOCTL_PROGRAM, daemon->control));
}

DAEMON_TEST(ready, ("--drain-delay", "1h", "--max-connections", "1")) {
	assert_string_equal(OUTPUT(daemon->control, "ready"), "ready\n");
	int fd = peer_connect_served(daemon->address[0]);
	expect_not_ready(daemon, "at --max-connections");
	peer_close(fd);
	stats_wait(daemon, "ready", 1);
	assert_string_equal(OUTPUT(daemon->control, "ready"), "ready\n");
	assert_contains(OUTPUT(daemon->control, "drain"), "draining in ");
	expect_not_ready(daemon, "draining");
	OUTPUT(daemon->control, "stop");
	daemon_expect_end(daemon);
	EXPECT_REFUSAL(EXIT_UNREACHABLE, daemon->control, daemon->control, "ready");
}

static size_t count(const char *text, const char *word) {
	size_t found = 0;
	for (; (text = strstr(text, word)); text++)
		found++;
	return found;
}

DAEMON_TEST(watch, (NULL)) {
	size_t replies;
	uint64_t begin = clock_now();
	struct process *watch = process_start_simple(ECHOCTL_PROGRAM, "--control", daemon->control,
						     "stats", "--watch", "50ms");
	wait_until((replies = count(process_output(watch, NULL), "connections_accepted")) >= 5);
	assert_in_range(replies, 5, 1 + (clock_now() - begin) / (50 * NS_PER_MS));
	assert_null(strchr(process_output(watch, NULL), '\x1b')); // no terminal, no screen control
	const char *once = test_text("%s -c %s stats", ECHOCTL_PROGRAM, daemon->control);
	const char *shown = OUTPUT_OF("script", "-qec", once, "/dev/null"); // on a terminal
	assert_true(strstr(shown, "connections_accepted") && !strchr(shown, '\x1b'));
	// When the server ends, so does the watch, with an error.
	daemon_stop(daemon);
	assert_int_equal(process_wait(watch), EXIT_UNREACHABLE);
	assert_int_equal(process_count_lines(process_errors(watch, NULL)), 1);
}

// As many as the limit of descriptors leaves room for; the list of a crowd comes in pieces.
TEST(list_of_a_crowd) {
	size_t size = crowd_room(sizeof(ECHOD_SANITIZE) > 1 ? 3000 : 20000, 0);
	struct daemon *daemon = daemon_start("--listen", place_address("echo"));
	struct crowd crowd = crowd_connect(daemon, size);
	assert_int_equal(process_count_lines(OUTPUT(daemon->control, "connections")), 1 + size);
	const json_t *json = json_from(OUTPUT(daemon->control, "connections", "--json"));
	const json_t *list = json_object_get(json, "connections");
	assert_int_equal(json_array_size(list), size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(stats_get(json_array_get(list, i), "id"), i + 1);
	crowd_close(&crowd);
	daemon_stop(daemon);
}
