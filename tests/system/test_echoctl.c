// Scenario: echoctl, from the outside: what it prints where, and with which status it ends.
#include "base/cmdline.h"
#include "crowd.h"
#include "daemon.h"
#include "peer.h"
#include "place.h"
#include "stats.h"

#define ECHOCTL(process, ...) process_run_simple(process, ECHOCTL_PROGRAM, __VA_ARGS__, NULL)

// Runs it, wants success and a clean standard error, and returns what it printed.
static const char *output_of(struct process *process, int status) {
	if (status != 0)
		fail_msg("status %d: %s", status, process_errors(process, NULL));
	assert_string_equal(process_errors(process, NULL), "");
	return process_output(process, NULL);
}

static void expect_complaint(struct process *process, int status, int wanted) {
	if (status != wanted)
		fail_msg("status %d, not %d: %s", status, wanted, process_errors(process, NULL));
	assert_int_equal(process_count_lines(process_errors(process, NULL)), 1);
	assert_true(strncmp(process_errors(process, NULL), "echoctl: ", 9) == 0);
	assert_string_equal(process_output(process, NULL), "");
}

DAEMON_TEST(answers, (NULL)) {
	struct process *process;
	int status = ECHOCTL(&process, "--control", daemon->control, "ping");
	assert_string_equal(output_of(process, status), "pong\n");
	status = ECHOCTL(&process, "-c", daemon->control, "version");
	assert_string_equal(output_of(process, status), "echod " ECHOD_VERSION "\n");
	status = ECHOCTL(&process, "--control", daemon->control, "stats");
	assert_contains(output_of(process, status), "connections_accepted");
	status = ECHOCTL(&process, "--control", daemon->control, "stats", "--prometheus");
	assert_contains(output_of(process, status), "# TYPE ");
	static const char *const json_commands[] = {"stats", "connections", "workers"};
	for (size_t i = 0; i < 3; i++) {
		status =
			ECHOCTL(&process, "--control", daemon->control, json_commands[i], "--json");
		json_t *json = json_loads(output_of(process, status), 0, NULL);
		assert_int_equal(json_integer_value(json_object_get(json, "schema")), 1);
		json_decref(json);
	}
}

DAEMON_TEST(refusals, (NULL)) {
	struct process *process;
	int status = ECHOCTL(&process, "--control", daemon->control, "no-such");
	expect_complaint(process, status, EXIT_USAGE);
	status = ECHOCTL(&process, "--control", daemon->control, "log", "loud");
	expect_complaint(process, status, EXIT_USAGE);
	status = ECHOCTL(&process, "--no-such-option", "ping");
	expect_complaint(process, status, EXIT_USAGE);
	status = ECHOCTL(&process, "--control", daemon->control, "stats", "--watch", "soon");
	expect_complaint(process, status, EXIT_USAGE);
}

TEST(nobody_there) {
	struct process *process;
	const char *path = place_path("nobody");
	int status = ECHOCTL(&process, "--control", path, "ping");
	expect_complaint(process, status, EXIT_UNREACHABLE);
	assert_contains(process_errors(process, NULL), path);

	struct daemon *daemon = daemon_start(NULL);
	process_kill(daemon->process);
	status = ECHOCTL(&process, "--control", daemon->control, "ping");
	expect_complaint(process, status, EXIT_UNREACHABLE);
	path = place_file("file", "", 0);
	status = ECHOCTL(&process, "--control", path, "ping");
	expect_complaint(process, status, EXIT_UNREACHABLE);
}

TEST(stop_and_drain) {
	struct daemon *daemon = daemon_start("--drain-timeout", "1h", NULL);
	int fd = peer_connect_served(daemon->address[0]);
	struct process *process;
	int status = ECHOCTL(&process, "--control", daemon->control, "drain", "1h");
	output_of(process, status);
	stats_wait(daemon, "draining", 1);
	status = ECHOCTL(&process, "--control", daemon->control, "stop");
	output_of(process, status);
	daemon_expect_end(daemon);
	peer_expect_closed(fd);
}

static size_t count(const char *text, const char *word) {
	size_t found = 0;
	while ((text = strstr(text, word))) {
		found++;
		text += strlen(word);
	}
	return found;
}

TEST(watch) {
	struct daemon *daemon = daemon_start(NULL);
	struct process *watch = process_start_simple(ECHOCTL_PROGRAM, "--control", daemon->control,
						     "stats", "--watch", "50ms");
	wait_until(count(process_output(watch, NULL), "connections_accepted") >= 5);
	assert_null(strchr(process_output(watch, NULL), '\x1b')); // no terminal, no screen control
	// The server ends, and with it the watch, which says so.
	daemon_stop(daemon);
	assert_int_equal(process_wait(watch), EXIT_UNREACHABLE);
	assert_int_equal(process_count_lines(process_errors(watch, NULL)), 1);
}

// As many as the limit of descriptors leaves room for; the list of a crowd comes in pieces.
TEST(list_of_a_crowd) {
	char listen[128];
	size_t size = crowd_room(sizeof(ECHOD_SANITIZE) > 1 ? 3000 : 20000, 0);
	snprintf(listen, sizeof(listen), "unix:%s", place_path("echo"));
	struct daemon *daemon = daemon_start("--listen", listen, NULL);
	struct crowd crowd = crowd_connect(daemon, listen, size);
	struct process *process;
	int status = ECHOCTL(&process, "-c", daemon->control, "connections");
	assert_int_equal(process_count_lines(output_of(process, status)), 1 + size);
	status = ECHOCTL(&process, "-c", daemon->control, "connections", "--json");
	json_t *json = json_loads(output_of(process, status), JSON_REJECT_DUPLICATES, NULL);
	const json_t *list = json_object_get(json, "connections");
	assert_int_equal(json_array_size(list), size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(list, i), "id")),
				 i + 1);
	json_decref(json);
	crowd_close(&crowd);
	daemon_stop(daemon);
}
