#include "daemon.h"

#include <signal.h>

#include "ctl.h"
#include "stats.h"

#define MAX_DAEMONS 16

const char *daemon_program = ECHOD_PROGRAM;

static struct daemon *daemons[MAX_DAEMONS];
static size_t daemon_count;

static const char *option_value(const char *const *options, const char *name) {
	for (size_t i = 0; options[i]; i++)
		if (strcmp(options[i], name) == 0)
			return options[i + 1];
	return NULL;
}

// `arguments` has room for more.
static void add_unless_given(const char **arguments, const char *name, const char *value) {
	if (option_value(arguments, name))
		return;
	while (*arguments)
		arguments++;
	arguments[0] = name;
	arguments[1] = value;
}

// The options that the test runs with, if any: "--workers 2 --patience 5ms".
static void add_common_options(const char **arguments) {
	if (!test_with() || *test_with() != '-')
		return;
	char *rest = test_keep(strdup(test_with()));
	for (const char *name; (name = strsep(&rest, " "));)
		add_unless_given(arguments, name, strsep(&rest, " "));
}

// The whole command line: program, options, and whatever the options leave open.
static void build_arguments(const char *arguments[DAEMON_OPTIONS], const char *const *options,
			    const char *control) {
	arguments[0] = daemon_program;
	for (size_t i = 0; options[i]; i++) {
		assert_true(i < DAEMON_OPTIONS - 8);
		arguments[i + 1] = options[i];
	}
	add_common_options(arguments);
	add_unless_given(arguments, "--listen", "127.0.0.1:0");
	add_unless_given(arguments, "--control", control);
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
	const char *arguments[DAEMON_OPTIONS] = {NULL};
	build_arguments(arguments, spec->arguments, daemon->control);
	struct process_spec whole = *spec;
	whole.arguments = arguments;
	for (size_t i = 0; arguments[i]; i++)
		daemon->listen_count += strcmp(arguments[i], "--listen") == 0 ||
					strcmp(arguments[i], "--listen-proxy") == 0 ||
					strcmp(arguments[i], "--faulty") == 0;
	daemon->asked_http = option_value(arguments, "--http");
	daemon->process = process_start(&whole);
	return daemon;
}

// Takes the addresses from what it has printed. Returns 0 while one is missing.
static int read_addresses(struct daemon *daemon) {
	const char *line = process_output(daemon->process, NULL);
	daemon->address_count = 0;
	for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
		if (sscanf(line, "http on %127[^\n]", daemon->http) == 1)
			continue;
		assert_true(daemon->address_count < DAEMON_ADDRESSES);
		char *address = daemon->address[daemon->address_count++];
		if (sscanf(line, "listening on %127[^\n]", address) != 1)
			fail_msg("not what is expected on standard output: %s", line);
		char *mark = strstr(address, " (PROXY)");
		if (mark)
			*mark = '\0';
	}
	return *line == '\0' && daemon->address_count == daemon->listen_count &&
	       (!daemon->asked_http || *daemon->http);
}

void daemon_wait_ready(struct daemon *daemon) {
	wait_until(read_addresses(daemon) || !process_is_running(daemon->process));
	if (!read_addresses(daemon))
		fail_msg("echod does not start: %s", process_errors(daemon->process, NULL));
	const char *colon = strrchr(daemon->address[0], ':');
	assert_non_null(colon);
	daemon->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	if (strcmp(daemon->control, "none") == 0)
		return;
	daemon->control_fd = ctl_connect(daemon->control);
	// An answer shows that it is accepted: from here on it counts among the descriptors.
	assert_int_equal(ctl_ask(daemon->control_fd, "ping", NULL), 200);
}

struct daemon *daemon_start_as(const struct process_spec *spec) {
	struct daemon *daemon = daemon_spawn(spec);
	daemon_wait_ready(daemon);
	return daemon;
}

const char *daemon_refuses(const struct process_spec *spec, int status, const char *const *texts) {
	struct process *process = daemon_spawn(spec)->process;
	process_expect_status(process, status);
	return process_expect_complaint(process, "echod: ", texts);
}

static void close_control(struct daemon *daemon) {
	if (daemon->control_fd >= 0)
		close(daemon->control_fd);
	daemon->control_fd = -1;
}

void daemon_expect_end(struct daemon *daemon) {
	int status = process_wait(daemon->process);
	close_control(daemon);
	if (status != 0)
		fail_msg("echod ended with status %d", status);
	daemon->ended = true;
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
		close_control(daemons[--daemon_count]);
		free(daemons[daemon_count]);
	}
}
CLEANUP(forget_daemons, 1)

const char *words_put_in(const char *word, const struct daemon *daemon, const char *result,
			 const char *output) {
	const char *const values[][2] = {{WORD_ADDRESS, daemon->address[0]},
					 {WORD_CONTROL, daemon->control},
					 {WORD_RESULT, result},
					 {WORD_OUTPUT, output}};
	for (size_t i = 0; i < COUNT_OF(values); i++)
		if (strcmp(word, values[i][0]) == 0)
			return values[i][1];
	return word;
}
