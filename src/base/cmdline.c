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

static const struct cmdline_option common_options[] = {
	{'h', "help", NULL, "print this help and exit", .kind = CMDLINE_TAKEN},
	{'V', "version", NULL, "print the version and exit", .kind = CMDLINE_TAKEN},
};
#define COMMON_COUNT (sizeof(common_options) / sizeof(common_options[0]))

static const struct cmdline_option *option_at(const struct cmdline *cmdline, size_t index)
{
	return index < cmdline->option_count ? &cmdline->options[index]
					     : &common_options[index - cmdline->option_count];
}

static void print_option(const struct cmdline_option *option)
{
	char head[80];
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
	screen_wrap(stdout, option->help, (size_t)width, HELP_COLUMN);
}

static void print_help(const struct cmdline *cmdline)
{
	printf("Usage: %s %s\n%s\n\nOptions:\n", cmdline->program, cmdline->synopsis,
	       cmdline->summary);
	for (size_t i = 0; i < cmdline->option_count + COMMON_COUNT; i++)
		print_option(option_at(cmdline, i));
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

// Builds what getopt_long wants from the table, `shorts` as ":l:w:" and the long options, and has
// it begin at the first argument.
static void begin_getopt(const struct cmdline *cmdline, char *shorts, struct option *longs)
{
	size_t count = cmdline->option_count + COMMON_COUNT;
	ensure(count <= MAX_OPTIONS);
	opterr = 0;
	optind = 0; // glibc: start again
	*shorts++ = ':';
	for (size_t i = 0; i < count; i++) {
		const struct cmdline_option *option = option_at(cmdline, i);
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

static const struct cmdline_option *find_option(const struct cmdline *cmdline, int code)
{
	for (size_t i = 0; i < cmdline->option_count + COMMON_COUNT; i++) {
		const struct cmdline_option *option = option_at(cmdline, i);
		if (code == FIRST_LONG_CODE + (int)i || (option->letter && code == option->letter))
			return option;
	}
	return NULL;
}

static int parse_choice(const char *words, const char *value, uint64_t *place,
			struct echod_error *error)
{
	size_t length = strlen(value);
	*place = 0;
	for (const char *word = words; *word; *place += 1) {
		size_t end = strcspn(word, "|");
		if (end == length && strncmp(word, value, end) == 0)
			return 0;
		word += end + (word[end] == '|');
	}
	return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is not one of %s", value, words);
}

static int parse_rate(const char *value, double *rate, struct echod_error *error)
{
	double parsed;
	if (units_parse_rate(value, &parsed, error) != 0)
		return -1;
	if (parsed <= 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is not more than 0", value);
	*rate = parsed;
	return 0;
}

static int parse(const struct cmdline_option *option, const char *value, uint64_t *number,
		 struct echod_error *error)
{
	switch (option->kind) {
	case CMDLINE_COUNT:
		return units_parse_count(value, option->least, option->most, number, error);
	case CMDLINE_DURATION:
		return units_parse_duration(value, number, error);
	case CMDLINE_TIMEOUT:
		if (units_parse_timeout(value, number, error) != 0)
			return -1;
		return *number ? 0
			       : error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is not longer than 0",
					   value);
	case CMDLINE_CHOICE:
		return parse_choice(option->argument, value, number, error);
	default:
		*number = option->least;
		return 0;
	}
}

static int fill_field(const struct cmdline_option *option, void *field, const char *value,
		      struct echod_error *error)
{
	uint64_t number;
	if (option->kind == CMDLINE_TEXT) {
		*(const char **)field = value;
		return 0;
	}
	if (option->kind == CMDLINE_RATE)
		return parse_rate(value, field, error);
	if (parse(option, value, &number, error) != 0)
		return -1;
	if (option->size == sizeof(uint64_t))
		*(uint64_t *)field = number;
	else if (option->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)number;
	else
		*(bool *)field = number;
	return 0;
}

// `option` is NULL for an operand.
static int take(const struct cmdline *cmdline, const struct cmdline_option *option,
		const char *value, struct echod_error *error)
{
	if (option && option->kind != CMDLINE_TAKEN)
		return fill_field(option, (char *)cmdline->context + option->offset, value, error);
	if (option && option->take)
		return option->take(cmdline->context, value, error);
	return cmdline->take(cmdline->context, option ? option->name : NULL, value, error);
}

static int take_value(const struct cmdline *cmdline, const struct cmdline_option *option,
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

// What getopt_long could not make sense of.
static int refuse(const struct cmdline *cmdline, int code, char **argv)
{
	const struct cmdline_option *option = find_option(cmdline, optopt);
	char given[64];
	if (code == ':' || (option && optopt >= FIRST_LONG_CODE)) {
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
	const struct cmdline_option *option = find_option(cmdline, code);
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

int cmdline_read(const struct cmdline *cmdline, int argc, char **argv)
{
	char shorts[2 * MAX_OPTIONS + 2];
	struct option longs[MAX_OPTIONS + 1];
	begin_getopt(cmdline, shorts, longs);
	if (cmdline->given)
		*cmdline->given = 0;
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
		const struct cmdline_option *option = find_option(cmdline, code);
		if (option && strcmp(option->name, name) == 0)
			value = optarg;
	}
}

static const struct cmdline_option *option_named(const struct cmdline *cmdline, const char *name)
{
	size_t i = 0;
	while (strcmp(cmdline->options[i].name, name) != 0) {
		i++;
		ensure(i < cmdline->option_count);
	}
	return &cmdline->options[i];
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
