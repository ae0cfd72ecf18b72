// The server under test. One thread.
#include "daemon.h"

#include <signal.h>

#include "ctl.h"
#include "place.h"
#include "stats.h"

#define MAX_DAEMONS 16

static struct daemon *daemons[MAX_DAEMONS];
static size_t daemon_count;

static const char *option_value(const char *const *options, const char *name) {
	for (size_t i = 0; options[i]; i++)
		if (strcmp(options[i], name) == 0)
			return options[i + 1];
	return NULL;
}

// The option that the test is run with, if any: "--patience 5ms".
static bool common_option(const char **name, const char **value) {
	static char words[64];
	snprintf(words, sizeof(words), "%s", test_with() ? test_with() : "");
	char *space = strchr(words, ' ');
	if (strncmp(words, "--", 2) != 0 || !space)
		return false;
	*space = '\0';
	*name = words;
	*value = space + 1;
	return true;
}

// The whole command line: program, options, and what the options leave open.
static void build_arguments(const char **arguments, const char *const *options,
			    const char *control) {
	const char *name, *value;
	size_t count = 0;
	arguments[count++] = ECHOD_PROGRAM;
	for (size_t i = 0; options[i]; i++) {
		assert_true(count < DAEMON_OPTIONS - 7);
		arguments[count++] = options[i];
	}
	if (common_option(&name, &value) && !option_value(options, name)) {
		arguments[count++] = name;
		arguments[count++] = value;
	}
	if (!option_value(options, "--listen")) {
		arguments[count++] = "--listen";
		arguments[count++] = "127.0.0.1:0";
	}
	if (!option_value(options, "--control")) {
		arguments[count++] = "--control";
		arguments[count++] = control;
	}
	arguments[count] = NULL;
}

struct daemon *daemon_spawn(const struct process_spec *spec) {
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	assert_non_null(daemon);
	assert_true(daemon_count < MAX_DAEMONS);
	daemons[daemon_count++] = daemon;
	daemon->control_fd = -1;
	const char *control = option_value(spec->arguments, "--control");
	snprintf(daemon->control, sizeof(daemon->control), "%s",
		 control ? control : place_path("ctl"));
	const char *arguments[DAEMON_OPTIONS];
	build_arguments(arguments, spec->arguments, daemon->control);
	struct process_spec whole = *spec;
	whole.arguments = arguments;
	for (size_t i = 0; arguments[i]; i++)
		daemon->listen_count += strcmp(arguments[i], "--listen") == 0;
	daemon->process = process_start(&whole);
	return daemon;
}

// Takes the addresses from what it has printed. Returns 0 while one is missing.
static int read_addresses(struct daemon *daemon) {
	const char *line = process_output(daemon->process, NULL);
	daemon->address_count = 0;
	for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
		assert_true(daemon->address_count < DAEMON_ADDRESSES);
		char *address = daemon->address[daemon->address_count++];
		if (sscanf(line, "listening on %127[^\n]", address) != 1)
			fail_msg("not what is expected on standard output: %s", line);
	}
	return *line == '\0' && daemon->address_count == daemon->listen_count;
}

void daemon_wait_ready(struct daemon *daemon) {
	uint64_t deadline = clock_deadline(PATIENCE);
	while (!read_addresses(daemon)) {
		if (!process_is_running(daemon->process) || clock_now() >= deadline)
			fail_msg("echod does not start: %s", process_errors(daemon->process, NULL));
		poll(NULL, 0, 2);
	}
	const char *colon = strrchr(daemon->address[0], ':');
	assert_non_null(colon);
	daemon->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	if (strcmp(daemon->control, "none") == 0)
		return;
	daemon->control_fd = ctl_connect(daemon->control);
	// Answered, it is accepted: from here on it counts among the descriptors.
	assert_int_equal(ctl_ask(daemon->control_fd, "ping", NULL), 200);
}

struct daemon *daemon_start_with(const char *const *options) {
	struct daemon *daemon = daemon_spawn(PROCESS(.arguments = options));
	daemon_wait_ready(daemon);
	return daemon;
}

const char *daemon_refuses(const struct process_spec *spec, int status, const char *const *texts) {
	struct daemon *daemon = daemon_spawn(spec);
	int ended = process_wait(daemon->process);
	const char *line = process_errors(daemon->process, NULL);
	if (ended != status)
		fail_msg("exit status %d, not %d: %s", ended, status, line);
	if (process_count_lines(line) != 1 || strncmp(line, "echod: ", 7) != 0)
		fail_msg("not one line of echod's: %s", line);
	for (size_t i = 0; texts && texts[i]; i++)
		assert_contains(line, texts[i]);
	assert_string_equal(process_output(daemon->process, NULL), "");
	return line;
}

void daemon_expect_end(struct daemon *daemon) {
	int status = process_wait(daemon->process);
	if (daemon->control_fd >= 0)
		close(daemon->control_fd);
	daemon->control_fd = -1;
	if (status != 0)
		fail_msg("echod ended with status %d", status);
	assert_false(place_exists(daemon->control));
	for (size_t i = 0; i < daemon->address_count; i++)
		if (strncmp(daemon->address[i], "unix:", 5) == 0)
			assert_false(place_exists(daemon->address[i] + 5));
}

void daemon_stop(struct daemon *daemon) {
	if (daemon->control_fd >= 0)
		stats_assert_laws(daemon);
	process_signal(daemon->process, SIGTERM);
	daemon_expect_end(daemon);
}

static void forget_daemons(void) {
	while (daemon_count > 0) {
		struct daemon *daemon = daemons[--daemon_count];
		if (daemon->control_fd >= 0)
			close(daemon->control_fd);
		free(daemon);
	}
}
CLEANUP(forget_daemons, 1)
