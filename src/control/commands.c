#include "control/commands.h"

#include <jansson.h>
#include <string.h>

#include "base/units.h"
#include "control/tracing.h"
#include "stats/render.h"

struct command {
	const char *name;
	enum command_formats formats;
	const char *argument;
	const char *help;
	enum status (*run)(const struct command_context *context, const struct request *request,
			   FILE *out);
};

static enum status print_json(json_t *object, FILE *out)
{
	if (!object)
		return STATUS_FAILED;
	int failed = json_dumpf(object, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	json_decref(object);
	fputc('\n', out);
	return failed ? STATUS_FAILED : STATUS_OK;
}

// The argument that chooses the format; NULL when there is none.
static const char *format_of(const struct request *request)
{
	return request->count > 1 ? request->words[1] : NULL;
}

static enum status bad_argument(const struct request *request, const char *allowed, FILE *out)
{
	char given[128];
	if (request->count < 2) {
		fprintf(out, "%s: an argument is missing; allowed: %s\n", request->words[0],
			allowed);
		return STATUS_BAD_REQUEST;
	}
	fprintf(out, "%s: '%s' is not allowed; allowed: %s\n", request->words[0],
		log_escape(request->words[1], strlen(request->words[1]), given, sizeof(given)),
		allowed);
	return STATUS_BAD_REQUEST;
}

static enum status run_ping(const struct command_context *context, const struct request *request,
			    FILE *out)
{
	(void)context;
	(void)request;
	fputs("pong\n", out);
	return STATUS_OK;
}

static enum status run_version(const struct command_context *context, const struct request *request,
			       FILE *out)
{
	(void)context;
	(void)request;
	fputs("echod " ECHOD_VERSION "\n", out);
	return STATUS_OK;
}

static enum status run_stats(const struct command_context *context, const struct request *request,
			     FILE *out)
{
	const char *format = format_of(request);
	server_snapshot(context->server, context->snapshot);
	if (!format)
		render_text(out, context->snapshot, context->rates);
	else if (strcmp(format, "json") == 0)
		return print_json(render_json(context->snapshot, context->rates), out);
	else if (strcmp(format, "prometheus") == 0)
		render_prometheus(out, context->snapshot, false);
	else
		return bad_argument(request, "json, prometheus", out);
	return STATUS_OK;
}

static enum status run_list(const struct command_context *context, const struct request *request,
			    enum list_subject subject, FILE *out)
{
	const char *format = format_of(request);
	if (format && strcmp(format, "json") != 0)
		return bad_argument(request, "json", out);
	list_begin(context->list, subject, format, out);
	return STATUS_OK;
}

static enum status run_connections(const struct command_context *context,
				   const struct request *request, FILE *out)
{
	return run_list(context, request, LIST_CONNECTIONS, out);
}

static enum status run_workers(const struct command_context *context, const struct request *request,
			       FILE *out)
{
	return run_list(context, request, LIST_WORKERS, out);
}

static enum status run_ledger(const struct command_context *context, const struct request *request,
			      FILE *out)
{
	if (context->server->ledger.size)
		return run_list(context, request, LIST_LEDGER, out);
	fputs("there is no ledger: the server was started with --ledger 0\n", out);
	return STATUS_BAD_REQUEST;
}

static enum status run_trace(const struct command_context *context, const struct request *request,
			     FILE *out)
{
	uint64_t id = 0; // the next one
	bool is_picture = request->count > 2 && strcmp(request->words[2], "svg") == 0;
	if (request->count < 2 || (request->count > 2 && !is_picture) ||
	    (strcmp(request->words[1], "next") != 0 &&
	     units_parse_count(request->words[1], 1, UINT64_MAX, &id, NULL) != 0))
		return bad_argument(request, "the ID of a connection, next; after it svg", out);
	return tracing_answer(context->server, id, is_picture, out);
}

static enum status run_ready(const struct command_context *context, const struct request *request,
			     FILE *out)
{
	(void)request;
	const char *reason;
	if (server_ready(context->server, &reason)) {
		fputs("ready\n", out);
		return STATUS_OK;
	}
	fprintf(out, "not ready: %s\n", reason);
	return STATUS_NOT_READY;
}

static enum status run_log(const struct command_context *context, const struct request *request,
			   FILE *out)
{
	enum echod_log_level level;
	if (request->count < 2 || log_level_parse(request->words[1], &level, NULL) != 0)
		return bad_argument(request, LOG_LEVEL_NAMES, out);
	atomic_store_explicit(&context->server->log->level, (int)level, memory_order_relaxed);
	fprintf(out, "log level is %s\n", log_level_name(level));
	return STATUS_OK;
}

// The listener that is bound to `address`, or was asked for by it; listener_count: there is none.
static size_t find_faulty(const struct server *server, const char *address, size_t length)
{
	size_t i = 0;
	for (; i < server->listener_count; i++) {
		const char *names[] = {server->names[i], server->by_listener.of[i]->label};
		for (size_t k = 0; k < 2 && server->faults.listeners[i].is_faulty; k++) {
			if (strlen(names[k]) == length && strncmp(names[k], address, length) == 0)
				return i;
		}
	}
	return i;
}

// `set ADDRESS=LIST`, or `clear ADDRESS`.
static enum status change_faults(struct server *server, const struct request *request, FILE *out)
{
	struct fault_set set = {0};
	struct echod_error why;
	bool sets = strcmp(request->words[1], "set") == 0;
	const char *address = request->count > 2 ? request->words[2] : "";
	const char *list = sets ? fault_list_in(address) : &address[strlen(address) + 1];
	if ((!sets && strcmp(request->words[1], "clear") != 0) || !*address || !list)
		return bad_argument(request, "set ADDRESS=FAULT[,FAULT...], clear ADDRESS", out);
	size_t index = find_faulty(server, address, (size_t)(list - 1 - address));
	if (index == server->listener_count) {
		fputs("faults: no --faulty address is written so; faults lists them\n", out);
		return STATUS_BAD_REQUEST;
	}
	if (sets && fault_set_parse(list, &set, &why) != 0) {
		fprintf(out, "faults: %s\n", why.message);
		return STATUS_BAD_REQUEST;
	}
	faults_set(&server->faults, index, &set);
	faults_announce(&server->faults, index, server->names[index]);
	return STATUS_OK;
}

static enum status run_faults(const struct command_context *context, const struct request *request,
			      FILE *out)
{
	struct server *server = context->server;
	struct fault_set set;
	char text[FAULT_SET_TEXT_SIZE];
	if (!server->faults.plans) {
		fputs("faults: only a server that was started with --faulty has any\n", out);
		return STATUS_FORBIDDEN;
	}
	enum status status = request->count > 1 ? change_faults(server, request, out) : STATUS_OK;
	for (size_t i = 0; i < server->listener_count && status == STATUS_OK; i++) {
		if (faults_get(&server->faults, i, &set))
			fprintf(out, "%s %s\n", server->names[i], fault_set_format(&set, text));
	}
	return status;
}

static enum status run_drain(const struct command_context *context, const struct request *request,
			     FILE *out)
{
	struct server *server = context->server;
	uint64_t timeout = server->config.drain_timeout;
	if (request->count > 1 && units_parse_timeout(request->words[1], &timeout, NULL) != 0)
		return bad_argument(request, "a number and one of us, ms, s, m, h; never", out);
	char text[16];
	server_drain(server, server->config.drain_delay, timeout);
	uint64_t delay = server_drain_delay(server);
	if (delay > 0)
		fprintf(out, "draining in %s, then at most ",
			units_format_duration(delay, text, sizeof(text)));
	else
		fputs("draining, at most ", out);
	fprintf(out, "%s\n", units_format_duration(timeout, text, sizeof(text)));
	return STATUS_OK;
}

static enum status run_stop(const struct command_context *context, const struct request *request,
			    FILE *out)
{
	(void)request;
	fputs("stopping\n", out);
	server_drain(context->server, 0, 0);
	return STATUS_OK;
}

static enum status run_help(const struct command_context *context, const struct request *request,
			    FILE *out);

static const struct command commands[] = {
#define COMMAND(name, formats, argument, help) {#name, formats, argument, help, run_##name},
#include "control/commands.def"
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static enum status unknown_command(const char *name, FILE *out)
{
	char given[128];
	fprintf(out, "unknown command '%s'; commands:",
		log_escape(name, strlen(name), given, sizeof(given)));
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, " %s", commands[i].name);
	fputc('\n', out);
	return STATUS_BAD_REQUEST;
}

// The arguments that the command takes; empty: none.
static const char *argument_of(const struct command *command)
{
	static const char *const words[] = {"", "[json]", "[json|prometheus]"};
	return command->formats == TEXT ? command->argument : words[command->formats];
}

static void print_command(const struct command *command, FILE *out)
{
	fprintf(out, "%-11s %-18s %s\n", command->name, argument_of(command), command->help);
}

static enum status run_help(const struct command_context *context, const struct request *request,
			    FILE *out)
{
	(void)context;
	if (request->count < 2) {
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			print_command(&commands[i], out);
		return STATUS_OK;
	}
	const struct command *command = find_command(request->words[1]);
	if (!command)
		return unknown_command(request->words[1], out);
	print_command(command, out);
	return STATUS_OK;
}

enum request_result request_parse(char *line, size_t length, struct request *request)
{
	*request = (struct request){0};
	if (length > 0 && line[length - 1] == '\r')
		length--;
	if (memchr(line, '\0', length))
		return REQUEST_NOT_TEXT;
	line[length] = '\0';
	char *rest = NULL;
	for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (request->count == REQUEST_MAX_WORDS)
			return REQUEST_TOO_MANY_WORDS;
		request->words[request->count++] = word;
	}
	return request->count ? REQUEST_OK : REQUEST_EMPTY;
}

enum status command_run(const struct command_context *context, char *line, size_t length, FILE *out)
{
	struct request request;
	switch (request_parse(line, length, &request)) {
	case REQUEST_OK:
		break;
	case REQUEST_EMPTY:
		fputs("the request is empty; try help\n", out);
		return STATUS_BAD_REQUEST;
	case REQUEST_TOO_MANY_WORDS:
		fputs("the request has too many words; try help\n", out);
		return STATUS_BAD_REQUEST;
	case REQUEST_NOT_TEXT:
		fputs("the request holds a NUL byte; try help\n", out);
		return STATUS_BAD_REQUEST;
	}
	const struct command *command = find_command(request.words[0]);
	if (!command)
		return unknown_command(request.words[0], out);
	const char *argument = argument_of(command);
	size_t most = !*argument ? 0 : strchr(argument, ' ') ? 2 : 1;
	if (request.count - 1 > most) {
		static const char *const words[] = {"no argument", "one argument at most",
						    "two arguments at most"};
		fprintf(out, "%s takes %s; see help %s\n", command->name, words[most],
			command->name);
		return STATUS_BAD_REQUEST;
	}
	return command->run(context, &request, out);
}
