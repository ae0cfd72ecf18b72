// echod: the server as a program. The main thread reads the command line, starts the server, and
// waits for signals and for the server's end.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef ECHOD_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/output.h"
#include "base/program.h"
#include "base/signals.h"
#include "base/units.h"
#include "control/default_path.h"
#include "echod/echod.h"
#include "echod/logger.h"
#include "http/http.h"
#include "lib/config.h"
#include "lib/inside.h"
#include "manager/activation.h"
#include "manager/notify.h"
#include "net/waker.h"

#define PROGRAM "echod"
#define LEAST_MEMORY (32UL << 20)

struct program {
	struct echod_config *config;
	bool control_given;
	struct activation activation;
	struct notify notify;
	bool http_given;
	struct address http_address;
	struct http *http; // NULL: no HTTP
	struct logger logger;
	enum logger_format log_format; // as read so far; `logger` has the final one
};

static const struct setting options[] = {
#define OPTION(letter, name, word, kind, place, low, high, preset_, help) \
	{letter,	 name,		 word,		 help,            \
	 SETTING_##kind, .least = (low), .most = (high), .preset = (preset_)},
#include "lib/options.def"
#undef OPTION
	{0, "http", "ADDRESS", HTTP_HELP, SETTING_TEXT, .take = NULL},
	{0, "log-format", "text|json",
	 "write the log as lines for people, or as one JSON object for each event", SETTING_CHOICE,
	 SETTING_FIELD(struct program, log_format), .preset = "text"},
};

// With --log-format json all of standard error is JSON, including errors before the start.
static void complain_json(void *context, const char *message)
{
	struct program *program = context;
	logger_write(&program->logger, &(struct echod_log_entry){.level = ECHOD_LOG_ERROR,
								 .event = "failed",
								 .message = message});
}

static int take(void *context, const char *name, const char *value, struct echod_error *error)
{
	struct program *program = context;
	if (!name)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not allowed: there are only options (see --help)",
				 value);
	if (strcmp(name, "control") == 0)
		program->control_given = true;
	if (strcmp(name, "http") != 0)
		return echod_config_set(program->config, name, value, error);
	program->http_given = true;
	return http_parse(value, &program->http_address, error);
}

// This reference also makes sure that the allocator is linked: --as-needed drops a library without
// references.
static int check_allocator(struct echod_error *error)
{
#ifdef ECHOD_JEMALLOC
	const char *version = NULL;
	size_t size = sizeof(version);
	if (mallctl("version", &version, &size, NULL, 0) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "jemalloc is linked and does not answer");
#else
	(void)error;
#endif
	return 0;
}

// Whether the limits RLIMIT_AS and RLIMIT_DATA leave room for a small server. Without that room
// jemalloc crashes instead of returning NULL, at the start or in a thread. So this comes before the
// first malloc.
static int check_room(struct echod_error *error)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	// cppcheck-suppress invalidFunctionArg ; -1: no file
	void *room = mmap(NULL, LEAST_MEMORY, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (room == MAP_FAILED)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "cannot map another %lu MiB: %s (see ulimit -v, ulimit -d)",
				 LEAST_MEMORY >> 20, error_text(errno));
	munmap(room, LEAST_MEMORY);
	return 0;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit); // server_build checks whether the result suffices
}

// Sets the path of the control socket if the command line does not.
static int set_control(struct program *program, struct echod_error *error)
{
	struct echod_config *config = program->config;
	const char *path = control_path_in_environment();
	struct echod_error why;
	if (config->control_fd >= 0 || program->control_given)
		return 0;
	if (path && echod_config_set(config, "control", path, &why) != 0)
		return error_set(error, ECHOD_ERROR_USAGE, "$ECHOD_CONTROL: %s", why.message);
	if (path)
		return 0;
	config->control_by_default = true;
	control_default_path(config->control_path, sizeof(config->control_path), true,
			     &config->control_error);
	return 0;
}

// Takes what a service manager hands over. Its sockets replace the default address.
static int take_over(struct program *program, struct echod_error *error)
{
	struct activation *activation = &program->activation;
	struct echod_config *config = program->config;
	struct echod_error why;
	if (notify_open(&program->notify, &why) != 0 && config->log_level >= ECHOD_LOG_WARNING)
		logger_write(&program->logger, &(struct echod_log_entry){.level = ECHOD_LOG_WARNING,
									 .event = "ignored",
									 .message = why.message});
	if (activation_take(activation, error) != 0)
		return -1;
	if ((activation->control >= 0 && program->control_given) ||
	    (activation->http >= 0 && program->http_given))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--control or --http, and a socket of a service manager, named "
				 "control or http: there can be one of each");
	config->server.inherited = activation->listeners;
	config->server.inherited_count = activation->count;
	config->control_fd = activation->control;
	if (activation->count > 0 && !config->listen_given)
		config->server.listen_count = 0;
	return 0;
}

static void print_address(const char *what, const char *address, const char *mark)
{
	char line[200];
	snprintf(line, sizeof(line), "%s on %s%s", what, address, mark);
	error_make_line(line);
	puts(line);
}

static void print_addresses(const struct server *server, const struct http *http)
{
	for (size_t i = 0; i < server->listener_count; i++)
		print_address("listening", server->names[i], server->trusts[i] ? PROXY_MARK : "");
	if (http)
		print_address("http", http_name(http), "");
	fflush(stdout);
}

// The first ending signal drains; each further one ends what the drain is in: its delay, or itself.
static void wait_for_end(struct echod *server, struct notify *notify)
{
	struct pollfd fds[] = {
		{.fd = echod_fd(server), .events = POLLIN},
		{.fd = signals_fd(), .events = POLLIN},
	};
	int heeded = 0;
	for (;;) {
		poll_until(fds, 2, notify_tend(notify));
		if (fds[0].revents)
			return;
		if (!fds[1].revents)
			continue;
		signals_clear();
		for (; heeded < signals_caught(); heeded++) {
			if (heeded == 0)
				echod_drain(server, -1);
			else
				echod_hurry(server);
		}
	}
}

// Runs the server to its end. Until then HTTP is answered.
static int serve(struct program *program, struct echod_error *error)
{
	struct http *http = program->http;
	struct notify *notify = &program->notify;
	struct echod *server = echod_start(program->config, error);
	if (!server || (http && http_start(http, echod_server(server), error) != 0)) {
		http_close(http);
		echod_free(server);
		return -1;
	}
	signals_heed(program->config->server.drain_delay > 0 ? 3 : 2);
	print_addresses(echod_server(server), http);
	notify_ready(notify, echod_server(server));
	wait_for_end(server, notify);
	notify_tend(notify);
	http_close(http);
	echod_free(server);
	return EXIT_OK;
}

static int run(void *context, struct echod_error *error)
{
	struct program *program = context;
	if (check_allocator(error) != 0 || take_over(program, error) != 0 ||
	    set_control(program, error) != 0)
		return -1;
	raise_descriptor_limit();
	program->config->server.is_guest = false;
	program->config->server.interrupt_fd = signals_fd();
	signals_heed(1);   // a second one ends a start that takes too long
	output_hold(true); // a missing reader must not stop the server
	echod_config_set_log_entries(program->config, logger_write, &program->logger);
	if (program->http_given || program->activation.http >= 0) {
		program->http = http_open(&program->http_address, program->activation.http,
					  signals_fd(), error);
		if (!program->http)
			return -1;
		program->config->server.spare_descriptors = HTTP_DESCRIPTORS;
	}
	return serve(program, error);
}

static int start(int argc, char **argv)
{
	struct program program = {.config = echod_config_new()};
	if (!program.config) {
		fprintf(stderr, PROGRAM ": no memory\n");
		return EXIT_UNREACHABLE;
	}
	struct cmdline cmdline = {
		.program = PROGRAM,
		.synopsis = "[OPTION]...",
		.summary = "Concurrent TCP echo server with a fixed pool of worker threads.",
		.epilogue =
			"DUR is a number and one of us, ms, s, m, h; SIZE may end in k, m or g.\n"
			"SIGTERM, SIGINT and SIGHUP drain the server; a second one stops it at "
			"once, or\n"
			"during --drain-delay ends the delay.\n"
			"\n"
			"Exit status:\n"
			"  0  the server was drained or stopped, by a signal or by echoctl, even "
			"if it\n"
			"     had to abort connections\n"
			"  2  an unknown option, an invalid value, or two addresses that overlap\n"
			"  3  the server could not start, and leaves nothing behind: an address is "
			"in\n"
			"     use, a host name is unknown, a live server has the control socket, "
			"or a\n"
			"     limit is too low; or --help could not be printed",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.take = take,
		.run = run,
		.context = &program,
	};
	const char *format = cmdline_value(&cmdline, argc, argv, "log-format");
	bool json = format && strcmp(format, "json") == 0;
	logger_open(&program.logger, json ? LOGGER_JSON : LOGGER_TEXT);
	cmdline.complain = json ? complain_json : NULL;
	int status = cmdline_run(&cmdline, argc, argv);
	if (status == EXIT_UNREACHABLE && signals_caught() > 0)
		status = EXIT_OK; // a signal ended it before it listened
	logger_close(&program.logger);
	echod_config_free(program.config);
	return status;
}

int main(int argc, char **argv)
{
	struct echod_error error;
	if (check_room(&error) != 0)
		return cmdline_fail(PROGRAM, &error);
	return program_run(PROGRAM, start, argc, argv);
}
