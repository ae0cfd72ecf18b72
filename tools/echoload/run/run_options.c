#include "run_options.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "echoload/common/paths.h"

#define SHORT_RUN (8 * NS_PER_S)

static const char synopsis[] = "[HOST:PORT | unix:PATH | unix:@NAME]... [OPTION]...\n"
			       "  or:  echoload ab [NAME=]TARGET [NAME=]TARGET... [OPTION]...\n"
			       "  or:  echoload report -o FILE RUN.json...\n"
			       "  or:  echoload compare A.json... --with B.json...\n"
			       "  or:  echoload merge [-o FILE] RUN.json...";

static const char summary[] =
	"Loads an echo server, checks every byte that comes back, measures how long it\n"
	"takes, and says whether to believe the figures. The connections go to the\n"
	"targets in turn; the default is " DEFAULT_TARGET ".\n"
	"\n"
	"Without --rate each connection waits for its echoes before it sends again (a\n"
	"closed loop). With --rate each message has a due time, whether the server is\n"
	"ready or not (the open loop), and latency counts from that time.\n"
	"\n"
	"ab tells which of several servers is faster. report, compare and merge draw,\n"
	"compare and merge results of --json. Each of these has its own --help.";

static const char epilogue[] =
	"DUR is a number and one of us, ms, s, m, h. SIZE may end in k, m or g, powers\n"
	"of 1024; RATE in k or m, powers of 1000: 50k are 50,000 messages a second.\n"
	"A CHECK is a name, one of < <= == >= >, and a value in the unit of the name.\n"
	"\n"
	"Modes, and the options that not all of them take, with their defaults:\n"
#define MODE(identifier, name, options, help) \
	"  " name "\n"                        \
	"              " help "\n"            \
	"              " options "\n"
#include "echoload/load/modes.def"
	"\n"
	"Checks:\n"
	"  p50, p99.9, ..., min, mean, max    latency, a DUR\n"
	"  uncorrected.p99, ...               in the open loop: from the actual sending\n"
	"  lateness.p99, ...                  in the open loop: of echoload itself\n"
	"  rate                               messages a second, a RATE\n"
	"  bytes_per_second, bytes_verified   a SIZE\n"
	"  messages, errors, unanswered, faults   a whole number\n"
	"\n"
	"Exit status:\n"
	"  0  the load was run, and the checks hold\n"
	"  1  a check does not hold, there were errors or unanswered messages (unless\n"
	"     --allow-errors), wrong bytes came back, or --search found no rate\n"
	"  2  wrong usage\n"
	"  3  no connection, or a file or standard output could not be written\n"
	"  4  the measurement does not count, whatever its checks say: echoload itself\n"
	"     limited the rate; the run is INCONCLUSIVE and has a check of latency or\n"
	"     rate; nothing was answered; or a signal ended --search, or ended a run\n"
	"     before anything was measured. Wrong bytes are still 1";

static int take_search(void *context, const char *value, struct echod_error *error)
{
	struct run_options *options = context;
	if (expect_parse(value, &options->search, error) != 0)
		return -1;
	if (options->search.subject != EXPECT_LATENCY || options->search.relation > EXPECT_AT_MOST)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a limit of a latency, such as p99<1ms", value);
	return 0;
}

static int take_expect(void *context, const char *value, struct echod_error *error)
{
	struct run_options *options = context;
	if (options->expect_count == RUN_OPTIONS_EXPECTS)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is one too many: at most %d",
				 value, RUN_OPTIONS_EXPECTS);
	return expect_parse(value, &options->expects[options->expect_count++], error);
}

static int take_interval(void *context, const char *value, struct echod_error *error)
{
	struct run_options *options = context;
	if (units_parse_duration(value, &options->interval, error) != 0)
		return -1;
	if (options->interval == 0 || options->interval % NS_PER_S != 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not one or more whole seconds", value);
	return 0;
}

#define FILE_OPTION(name, index, help)                                  \
	{                                                               \
		0, name, "FILE", help, SETTING_TEXT,                    \
			SETTING_FIELD(struct run_options, files[index]) \
	}

static const struct setting table[] = {
#include "load_options.def"
	{0, "no-experiment", NULL,
	 "skip the experiment at the end, which adds half as many connections for a moment to see "
	 "whether more bring more (a fifth of the duration, at most 5 s); without it most closed "
	 "loops are INCONCLUSIVE",
	 SETTING_SWITCH, SETTING_FIELD(struct run_options, no_experiment), .least = true},
	{0, "allow-client-bound", NULL, "exit 0 even if echoload itself limited the rate",
	 SETTING_SWITCH, SETTING_FIELD(struct run_options, allow_client_bound), .least = true},
	{0, "allow-errors", NULL,
	 "exit 0 even if there were errors, unanswered messages or wrong bytes, unless an "
	 "--expect forbids them",
	 SETTING_SWITCH, SETTING_FIELD(struct run_options, allow_errors), .least = true},
	{0, "search", "CHECK",
	 "find the highest rate at which CHECK holds; CHECK limits a latency by < or <=",
	 .take = take_search},
	{0, "expect", "CHECK", "exit 1 if CHECK does not hold, such as 'p99.9<5ms'; up to 32 times",
	 .take = take_expect},
	FILE_OPTION("json", OUTPUT_JSON,
		    "write the result as JSON; -: to standard output, here and below"),
	FILE_OPTION("hgrm", OUTPUT_HGRM,
		    "write the percentiles of the latency as HdrHistogram's .hgrm"),
	FILE_OPTION("hlog", OUTPUT_HLOG,
		    "write the histogram of each interval as HdrHistogram's .hlog"),
	FILE_OPTION("csv", OUTPUT_CSV, "write a row for each interval"),
	{'i', "interval", "DUR",
	 "if given, print a line for each DUR, unless a terminal shows the progress; also the "
	 "length of a row of --csv or --hlog, in whole seconds",
	 .preset = "1s", .take = take_interval},
};

static int check_expects(const struct run_options *options, struct echod_error *error)
{
	const struct load_config *config = &options->load.config;
	const struct cmdline *cmdline = options->load.cmdline;
	const char *why = NULL;
	if (cmdline_has(cmdline, "rate"))
		why = "--rate: it is what finds the rate";
	else if (cmdline_has(cmdline, "count"))
		why = "--count: each of its steps takes --duration";
	else if (config->duration == CLOCK_NEVER)
		why = "--duration never, as that is the time for each of its steps";
	if (options->search.text && why)
		return error_set(error, ECHOD_ERROR_USAGE, "--search: not together with %s", why);
	bool open = config->rate > 0 || options->search.text;
	for (size_t i = 0; i < options->expect_count; i++) {
		why = expect_never(&options->expects[i], open, config->verify);
		if (why)
			return error_set(error, ECHOD_ERROR_USAGE,
					 "--expect: '%.100s' is not measured: %s",
					 options->expects[i].text, why);
	}
	return 0;
}

// Adds the checks of every run, unless one of the same name was given.
static void expect_no_errors(struct run_options *options)
{
	static const char *const always[] = {"errors==0", "unanswered==0"};
	size_t given = options->expect_count;
	for (size_t i = 0; i < 2 && !options->allow_errors; i++) {
		struct expect *added = &options->expects[options->expect_count];
		(void)expect_parse(always[i], added, NULL);
		bool named = false;
		for (size_t j = 0; j < given; j++)
			named |= options->expects[j].subject == added->subject;
		options->expect_count += !named;
	}
}

static int check_files(struct run_options *options, struct echod_error *error)
{
	static const char *const names[OUTPUT_FILES] = {"json", "hgrm", "hlog", "csv"};
	const char **files = options->files;
	for (size_t i = 0; i < OUTPUT_FILES; i++) {
		files[i] = files[i] ? paths_output(files[i]) : NULL;
		options->data_on_stdout |= files[i] && strcmp(files[i], "-") == 0;
	}
	for (size_t i = 0; i < OUTPUT_FILES; i++) {
		if (!files[i])
			continue;
		if (!*files[i])
			return error_set(error, ECHOD_ERROR_USAGE, "--%s: '' is no file", names[i]);
		for (size_t j = 0; j < i; j++) {
			if (files[j] && paths_same(files[i], files[j]))
				return error_set(error, ECHOD_ERROR_USAGE,
						 "--%s: '%.100s' is written by --%s already",
						 names[i], files[i], names[j]);
		}
		if (options->data_on_stdout && strcmp(files[i], "-") != 0 &&
		    paths_same(files[i], "/dev/stderr"))
			return error_set(error, ECHOD_ERROR_USAGE,
					 "--%s: '%.100s' is where the report goes, as standard "
					 "output is taken",
					 names[i], files[i]);
	}
	return 0;
}

int run_options_read(struct run_options *options, int argc, char **argv)
{
	struct load_config *config = &options->load.config;
	struct echod_error error;
	const struct cmdline cmdline = {
		.program = ECHOLOAD,
		.synopsis = synopsis,
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = arguments_take,
		.context = options,
		.given = &options->load.given,
	};
	*options = (struct run_options){0};
	arguments_begin(&options->load, &cmdline, argc, argv);
	int status = cmdline_read(&cmdline, argc, argv);
	if (status != -1)
		return status;
	if (check_expects(options, &error) != 0 || check_files(options, &error) != 0 ||
	    arguments_finish(&options->load, &error) != 0)
		return cmdline_fail(ECHOLOAD, &error);
	options->interval_lines = cmdline_has(&cmdline, "interval");
	expect_no_errors(options);
	if (!options->no_experiment)
		config->extra = config->connections / 2 + config->connections % 2;
	config->interval = config->duration < SHORT_RUN ? NS_PER_S / 10 : NS_PER_S / 4;
	return -1;
}
