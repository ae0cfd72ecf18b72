// echoctl asks a running echod over its control socket, once or repeatedly. Main thread only.
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/cmdline.h"
#include "base/log.h"
#include "base/output.h"
#include "base/program.h"
#include "base/screen.h"
#include "base/signals.h"
#include "control/client.h"
#include "control/default_path.h"
#include "control/protocol.h"
#include "net/address.h"

#define PROGRAM "echoctl"
#define SHORTEST_INTERVAL (10 * NS_PER_MS)
#define TRACE_INTERVAL (20 * NS_PER_MS)

// The server checks the argument of a command.
struct command {
	const char *name;
	enum command_formats formats; // more than TEXT: it shows a state, which --watch can repeat
	const char *argument;
	const char *help;
};

static const struct command commands[] = {
#define COMMAND(name, formats, argument, help) {#name, formats, argument, help},
#include "control/commands.def"
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

struct options {
	const char *control; // NULL: the default path
	uint64_t timeout;
	uint64_t interval;  // between two replies when watching, 0: ask once
	uint64_t duration;  // how long to trace; 0: to the connection's end
	const char *format; // the word that selects the format; NULL: text
	const struct command *command;
	char request[1200]; // more than client_ask accepts, so that it reports a long one
	char path[ADDRESS_PATH_SIZE];
};

static int take_format(struct options *options, const char *name, struct echod_error *error)
{
	if (options->format && strcmp(options->format, name) != 0)
		return error_set(error, ECHOD_ERROR_USAGE, "not together with --%s",
				 options->format);
	options->format = name;
	return 0;
}

static const struct setting table[] = {
	{'c', "control", "PATH|@NAME",
	 "the server's control socket (default " CONTROL_DEFAULT_TEXT
	 "; if there is none, /run/echod/echod.sock)",
	 SETTING_TEXT, SETTING_FIELD(struct options, control)},
	{'w', "watch", "DUR",
	 "with stats, connections and workers: ask again every DUR until interrupted",
	 SETTING_DURATION, SETTING_FIELD(struct options, interval), .least = SHORTEST_INTERVAL},
	{'t', "timeout", "DUR",
	 "give up on a reply, or the next piece of a long list, after DUR, or never",
	 SETTING_TIMEOUT, SETTING_FIELD(struct options, timeout), .preset = "5s"},
	{'d', "duration", "DUR", "with trace: end after DUR, even if the connection goes on",
	 SETTING_DURATION, SETTING_FIELD(struct options, duration)},
	{0, "svg", NULL, "with trace: print it as a picture when it ends", .take = NULL},
	{0, "json", NULL, "with stats, connections and workers: reply in JSON", .take = NULL},
	{0, "prometheus", NULL, "with stats: reply in the Prometheus text format", .take = NULL},
};

static void append_word(struct options *options, const char *word)
{
	size_t used = strlen(options->request);
	snprintf(&options->request[used], sizeof(options->request) - used, "%s%s", used ? " " : "",
		 word);
}

// The first operand is the command.
static int take_operand(struct options *options, const char *word, struct echod_error *error)
{
	if (!*word || strpbrk(word, " \t\r\n")) {
		char shown[200];
		return error_set(error, ECHOD_ERROR_USAGE, "an argument is one word, not '%s'",
				 log_escape(word, strlen(word), shown, sizeof(shown)));
	}
	for (size_t i = 0; i < COMMAND_COUNT && !options->command; i++) {
		if (strcmp(word, commands[i].name) == 0)
			options->command = &commands[i];
	}
	if (!options->command)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "unknown command '%.100s' (" PROGRAM " --help lists them)", word);
	append_word(options, word);
	return 0;
}

static int take(void *context, const char *name, const char *value, struct echod_error *error)
{
	struct options *options = context;
	return name ? take_format(options, name, error) : take_operand(options, value, error);
}

static bool is_trace(const struct options *options)
{
	return strcmp(options->command->name, "trace") == 0;
}

// Checks that need the whole command line.
static int complete(struct options *options, struct echod_error *error)
{
	const struct command *command = options->command;
	if (!command)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "no command given (" PROGRAM " --help lists them)");
	if (options->interval && command->formats == TEXT)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--watch: '%s' cannot be watched, only stats, connections and "
				 "workers",
				 command->name);
	bool is_picture = options->format && strcmp(options->format, "svg") == 0;
	if ((is_picture || options->duration) && !is_trace(options))
		return error_set(error, ECHOD_ERROR_USAGE, "--%s: only with trace",
				 is_picture ? "svg" : "duration");
	if (options->format) {
		bool json = strcmp(options->format, "json") == 0;
		if (!is_picture && command->formats < (json ? TEXT_JSON : TEXT_JSON_PROMETHEUS))
			return error_set(
				error, ECHOD_ERROR_USAGE, "--%s: '%s' has no such form, only %s",
				options->format, command->name,
				json ? "stats, connections and workers have" : "stats has");
		append_word(options, options->format);
	}
	if (!options->control) {
		options->control = control_path_in_environment();
		if (options->control && strcmp(options->control, "none") == 0)
			return error_set(
				error, ECHOD_ERROR_USAGE,
				"$ECHOD_CONTROL is 'none': --control PATH names the socket "
				"to ask");
	}
	if (options->control)
		return 0;
	options->control = options->path;
	return control_default_path(options->path, sizeof(options->path), false, error);
}

// Prints the reply, or draws it on `screen`.
static int show(struct client_reply *reply, const struct screen *screen)
{
	if (screen)
		screen_draw(screen, reply->body);
	else
		fwrite(reply->body, 1, reply->length, stdout);
	client_reply_free(reply);
	return cmdline_finish(&(struct cmdline){.program = PROGRAM});
}

// Returns EXIT_OK with a reply to be freed, or the exit status after it has printed the error, or
// why the server is not ready.
static int ask(const struct options *options, struct client_reply *reply)
{
	struct echod_error error;
	if (client_ask(options->control, options->request, options->timeout, reply, &error) != 0)
		return cmdline_fail(PROGRAM, &error);
	if (reply->status == STATUS_OK || reply->status == STATUS_ENDED)
		return EXIT_OK;
	if (reply->status == STATUS_NOT_READY) { // an answer, and no error
		int printed = show(reply, NULL);
		return printed == EXIT_OK ? EXIT_CHECK_FAILED : printed;
	}
	fprintf(stderr, PROGRAM ": %.*s\n", (int)strcspn(reply->body, "\n"), reply->body);
	int status = reply->status == STATUS_BAD_REQUEST ? EXIT_USAGE
		     : reply->status == STATUS_NOT_FOUND ? EXIT_CHECK_FAILED
							 : EXIT_UNREACHABLE;
	client_reply_free(reply);
	return status;
}

// Each reply has been written, so there is nothing to save.
static void end_watch(void)
{
}

// On a terminal the shell's prompt must appear below the ^C.
static void end_redraw(void)
{
	output_last_word("\n");
}

static void wait_until(uint64_t deadline)
{
	while (clock_now() < deadline)
		poll(NULL, 0, clock_poll_timeout(deadline));
}

// Asks for what is new of a trace, until its connection ends, the time is over or a signal comes.
static int follow(struct options *options)
{
	struct pollfd signals = {.fd = signals_fd(), .events = POLLIN};
	uint64_t end = options->duration ? clock_deadline(options->duration) : CLOCK_NEVER;
	signals_heed(1);
	for (;;) {
		struct client_reply reply;
		int status = ask(options, &reply);
		if (status != EXIT_OK)
			return status;
		bool ends =
			reply.status == STATUS_ENDED || signals_caught() > 0 || clock_now() >= end;
		const char *id = strstr(reply.body, "connection ");
		if (id) // which is not known before of the next one
			snprintf(options->request, sizeof(options->request), "trace %llu%s",
				 strtoull(id + strlen("connection "), NULL, 10),
				 options->format ? " svg" : "");
		if (options->format && !ends) // a later picture has all that this one has
			client_reply_free(&reply);
		else
			status = show(&reply, NULL);
		if (ends || status != EXIT_OK)
			return status;
		uint64_t next = clock_deadline(TRACE_INTERVAL);
		poll(&signals, 1, clock_poll_timeout(next < end ? next : end));
	}
}

// Asks once, or, when there is an interval, until a signal ends it.
static int run(void *context, struct echod_error *error)
{
	struct options *options = context;
	if (complete(options, error) != 0)
		return -1;
	if (is_trace(options))
		return follow(options);
	struct screen screen;
	screen_open(&screen, stdout);
	bool redraw = options->interval && screen.terminal;
	if (options->interval) // Ctrl-C is the regular end of watching
		signals_end_well(redraw ? end_redraw : end_watch);
	for (bool first = true;; first = false) {
		uint64_t next = clock_deadline(options->interval);
		struct client_reply reply;
		int status = ask(options, &reply);
		if (status != EXIT_OK)
			return status;
		if (!first && !redraw)
			putchar('\n');
		status = show(&reply, redraw ? &screen : NULL);
		if (status != EXIT_OK || !options->interval)
			return status;
		wait_until(next);
	}
}

#define DURATIONS "DUR is a number and one of us, ms, s, m, h."

static const char exit_statuses[] =
	"Exit status:\n"
	"  0  the server has carried out the command, or watching was interrupted\n"
	"  1  ready: the server is not ready; trace: no such connection is open\n"
	"  2  an unknown option or command, or an invalid argument\n"
	"  3  no server answers in time, the server fails or refuses, or the reply could\n"
	"     not be printed";

// Writes the part of --help below the options.
static const char *make_epilogue(char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, DURATIONS "\n\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT && used < size; i++) {
		char head[40];
		snprintf(head, sizeof(head), "%s %s", commands[i].name, commands[i].argument);
		used += (size_t)snprintf(&text[used], size - used, "  %-25s  %s\n", head,
					 commands[i].help);
	}
	ensure(used + sizeof(exit_statuses) < size);
	snprintf(&text[used], size - used, "\n%s", exit_statuses);
	return text;
}

static int start(int argc, char **argv)
{
	char epilogue[2048];
	struct options options = {0};
	struct cmdline cmdline = {
		.program = PROGRAM,
		.synopsis = "[OPTION]... COMMAND [ARGUMENT]...",
		.summary = "Query and control a running echod over its control socket.",
		.epilogue = make_epilogue(epilogue, sizeof(epilogue)),
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take,
		.run = run,
		.context = &options,
	};
	return cmdline_run(&cmdline, argc, argv);
}

int main(int argc, char **argv)
{
	return program_run(PROGRAM, start, argc, argv);
}
