#include "base/cmdline.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/output.h"
#include "base/screen.h"
#include "base/units.h"

#define HELP_COLUMN 29
#define MAX_OPTIONS 48
#define FIRST_LONG_CODE 0x100 // getopt_long's return value for the option at index 0

static const struct setting common_options[] = {
	{'h', "help", NULL, "print this help and exit", .take = NULL},
	{'V', "version", NULL, "print the version and exit", .take = NULL},
};
#define COMMON_COUNT (sizeof(common_options) / sizeof(common_options[0]))

static const struct setting *option_at(const struct cmdline *cmdline, size_t index)
{
	return index < cmdline->option_count ? &cmdline->options[index]
					     : &common_options[index - cmdline->option_count];
}

static void print_option(const struct setting *option)
{
	char head[80], help[1000];
	int width = snprintf(head, sizeof(head), "  %c%c%s --%s%s%s", option->letter ? '-' : ' ',
			     option->letter ? option->letter : ' ', option->letter ? "," : " ",
			     option->name, option->argument ? " " : "",
			     option->argument ? option->argument : "");
	if (width + 2 > HELP_COLUMN) {
		printf("%s\n", head);
		width = 0;
	} else {
		fputs(head, stdout);
	}
	screen_wrap(stdout, setting_help(option, help, sizeof(help)), (size_t)width, HELP_COLUMN);
}

static void print_help(const struct cmdline *cmdline)
{
	printf("Usage: %s %s\n%s\n\nOptions:\n", cmdline->program, cmdline->synopsis,
	       cmdline->summary);
	for (size_t i = 0; i < cmdline->option_count + COMMON_COUNT; i++) {
		if (option_at(cmdline, i)->help)
			print_option(option_at(cmdline, i));
	}
	if (cmdline->epilogue)
		printf("\n%s\n", cmdline->epilogue);
}

void cmdline_complain(const char *program, const char *message)
{
	char line[600];
	snprintf(line, sizeof(line), "%s", message);
	error_make_line(line);
	fprintf(stderr, "%s: %s\n", program, line);
}

__attribute__((format(printf, 2, 3))) static void complain(const struct cmdline *cmdline,
							   const char *format, ...)
{
	char message[600];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (cmdline->complain)
		cmdline->complain(cmdline->context, message);
	else
		cmdline_complain(cmdline->program, message);
}

static int status_of(const struct echod_error *error)
{
	return error->kind == ECHOD_ERROR_USAGE ? EXIT_USAGE : EXIT_UNREACHABLE;
}

int cmdline_fail(const char *program, const struct echod_error *error)
{
	cmdline_complain(program, error->message);
	return status_of(error);
}

static int fail_usage(const struct cmdline *cmdline, const char *what, const char *given)
{
	complain(cmdline, "%s '%.200s' (see %s --help)", what, given, cmdline->program);
	return EXIT_USAGE;
}

// Builds the arguments of getopt_long from the table, `shorts` such as ":l:w:" and the long
// options. Resets it to the first argument.
static void begin_getopt(const struct cmdline *cmdline, char *shorts, struct option *longs)
{
	size_t count = cmdline->option_count + COMMON_COUNT;
	ensure(count <= MAX_OPTIONS);
	opterr = 0;
	optind = 0; // glibc: start again
	*shorts++ = ':';
	for (size_t i = 0; i < count; i++) {
		const struct setting *option = option_at(cmdline, i);
		longs[i] = (struct option){
			.name = option->name,
			.has_arg = option->argument ? required_argument : no_argument,
			.val = FIRST_LONG_CODE + (int)i,
		};
		if (option->letter) {
			*shorts++ = option->letter;
			if (option->argument)
				*shorts++ = ':';
		}
	}
	longs[count] = (struct option){0};
	*shorts = '\0';
}

int cmdline_finish(const struct cmdline *cmdline)
{
	int failure = output_finish(stdout);
	if (failure && failure != EPIPE)
		complain(cmdline, "cannot write to standard output: %s", error_text(failure));
	return failure ? EXIT_UNREACHABLE : EXIT_OK;
}

static const struct setting *find_option(const struct cmdline *cmdline, int code)
{
	for (size_t i = 0; i < cmdline->option_count + COMMON_COUNT; i++) {
		const struct setting *option = option_at(cmdline, i);
		if (code == FIRST_LONG_CODE + (int)i || (option->letter && code == option->letter))
			return option;
	}
	return NULL;
}

// `option` is NULL for an operand.
static int take(const struct cmdline *cmdline, const struct setting *option, const char *value,
		struct echod_error *error)
{
	if (option && (option->size || option->take))
		return setting_take(option, cmdline->context, value, error);
	return cmdline->take(cmdline->context, option ? option->name : NULL, value, error);
}

static int take_value(const struct cmdline *cmdline, const struct setting *option,
		      const char *value)
{
	struct echod_error error = {0};
	if (option && cmdline->given)
		*cmdline->given |= UINT64_C(1) << (option - cmdline->options);
	if (take(cmdline, option, value, &error) == 0)
		return -1;
	if (option)
		complain(cmdline, "--%s: %s", option->name, error.message);
	else
		complain(cmdline, "%s", error.message);
	return status_of(&error);
}

// Reports an argument that getopt_long has refused.
static int refuse(const struct cmdline *cmdline, int code, char **argv)
{
	const struct setting *option = find_option(cmdline, optopt);
	char given[64];
	if (option) {
		snprintf(given, sizeof(given), "--%s", option->name);
		return fail_usage(cmdline,
				  code == ':' ? "an argument is missing after option"
					      : "no argument is allowed after option",
				  given);
	}
	if (optopt) {
		snprintf(given, sizeof(given), "-%c", optopt);
		return fail_usage(cmdline, "unknown option", given);
	}
	return fail_usage(cmdline, "unknown or ambiguous option", argv[optind - 1]);
}

static int take_option(const struct cmdline *cmdline, int code, char **argv)
{
	if (code == '?' || code == ':')
		return refuse(cmdline, code, argv);
	const struct setting *option = find_option(cmdline, code);
	ensure(option);
	if (strcmp(option->name, "help") == 0) {
		print_help(cmdline);
		return cmdline_finish(cmdline);
	}
	if (strcmp(option->name, "version") == 0) {
		printf("%s %s\n", cmdline->program, ECHOD_VERSION);
		return cmdline_finish(cmdline);
	}
	return take_value(cmdline, option, optarg);
}

static void take_presets(const struct cmdline *cmdline)
{
	for (size_t i = 0; i < cmdline->option_count; i++) {
		const struct setting *option = &cmdline->options[i];
		if (option->preset && (option->size || option->take))
			ensure(setting_take(option, cmdline->context, option->preset, NULL) == 0);
	}
}

int cmdline_read(const struct cmdline *cmdline, int argc, char **argv)
{
	char shorts[2 * MAX_OPTIONS + 2];
	struct option longs[MAX_OPTIONS + 1];
	begin_getopt(cmdline, shorts, longs);
	if (cmdline->given)
		*cmdline->given = 0;
	take_presets(cmdline);
	for (;;) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only
		int code = getopt_long(argc, argv, shorts, longs, NULL);
		if (code == -1)
			break;
		int status = take_option(cmdline, code, argv);
		if (status != -1)
			return status;
	}
	for (int i = optind; i < argc; i++) {
		int status = take_value(cmdline, NULL, argv[i]);
		if (status != -1)
			return status;
	}
	return -1;
}

int cmdline_run(const struct cmdline *cmdline, int argc, char **argv)
{
	struct echod_error error;
	int status = cmdline_read(cmdline, argc, argv);
	if (status == -1)
		status = cmdline->run(cmdline->context, &error);
	if (status != -1)
		return status;
	complain(cmdline, "%s", error.message);
	return status_of(&error);
}

const char *cmdline_value(const struct cmdline *cmdline, int argc, char **argv, const char *name)
{
	char shorts[2 * MAX_OPTIONS + 2];
	struct option longs[MAX_OPTIONS + 1];
	const char *value = NULL;
	begin_getopt(cmdline, shorts, longs);
	for (;;) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only
		int code = getopt_long(argc, argv, shorts, longs, NULL);
		if (code == -1)
			return value;
		const struct setting *option = find_option(cmdline, code);
		if (option && strcmp(option->name, name) == 0)
			value = optarg;
	}
}

static const struct setting *option_named(const struct cmdline *cmdline, const char *name)
{
	const struct setting *option = setting_find(cmdline->options, cmdline->option_count, name);
	ensure(option);
	return option;
}

void cmdline_set(const struct cmdline *cmdline, const char *name, const char *value)
{
	struct echod_error error;
	ensure(take(cmdline, option_named(cmdline, name), value, &error) == 0);
}

bool cmdline_has(const struct cmdline *cmdline, const char *name)
{
	return *cmdline->given >> (option_named(cmdline, name) - cmdline->options) & 1;
}
