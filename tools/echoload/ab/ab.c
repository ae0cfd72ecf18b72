// The command line of `echoload ab`.
#include "rounds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/units.h"
#include "echoload/common/paths.h"
#include "echoload/result/atomic_file.h"
#include "echoload/run/run_options.h"

#define AB_PROGRAM "echoload ab"
#define CHECKS 32
#define NAMES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define FEW_MESSAGES 8	    // messages on their way that leave a thread of the generator idle
#define UNTIL_DURATION "2m" // the default of --duration with --until

struct ab_command {
	struct arguments arguments;
	struct rounds rounds;
	const char *json;
	const char *checks[CHECKS];
	size_t check_count;
};

static int take_target(void *context, const char *option, const char *value,
		       struct echod_error *error)
{
	struct ab_command *command = context;
	if (option)
		return arguments_take(&command->arguments, option, value, error);
	size_t index = command->arguments.target_count;
	size_t length = strspn(value, NAMES);
	bool named = value[length] == '=';
	if (named && (length == 0 || length >= AB_NAME))
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s': a name has 1 to %d characters",
				 value, AB_NAME - 1);
	if (arguments_take(&command->arguments, NULL, named ? value + length + 1 : value, error))
		return -1;
	struct target *targets = command->rounds.targets;
	char *name = targets[index].name;
	if (named)
		snprintf(name, AB_NAME, "%.*s", (int)length, value);
	else
		snprintf(name, AB_NAME, "%c", (char)('a' + index));
	for (size_t i = 0; i < index; i++) {
		if (strcmp(targets[i].name, name) == 0)
			return error_set(error, ECHOD_ERROR_USAGE,
					 "'%.100s': '%s' is the name of two", value, name);
	}
	return 0;
}

static int take_until(void *context, const char *value, struct echod_error *error)
{
	double percent;
	const char *end = units_read_number(value, &percent);
	if (!end || strcmp(end, "%") != 0 || percent <= 0 || percent > 100)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a percentage above 0, such as 1%%", value);
	((struct ab_command *)context)->rounds.until = percent / 100;
	return 0;
}

// The name in it may come later.
static int take_expect(void *context, const char *value, struct echod_error *error)
{
	struct ab_command *command = context;
	if (command->check_count == CHECKS)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is one too many: at most %d",
				 value, CHECKS);
	command->checks[command->check_count++] = value;
	return 0;
}

static const struct setting table[] = {
	{'c', "connections", "N", "connections to each target", SETTING_COUNT,
	 LOAD_FIELD(connections), .least = 1, .most = 50000, .preset = "1"},
	{'d', "duration", "DUR", "measure for DUR in all, or never: until Ctrl-C", SETTING_TIMEOUT,
	 LOAD_FIELD(duration), .preset = LOAD_DURATION},
	{0, "rounds", "N", "measure N rounds", SETTING_COUNT,
	 SETTING_FIELD(struct ab_command, rounds.most), .least = 1, .most = 1000000},
	{0, "until", "PERCENT",
	 "measure until the rounds give each rate to within PERCENT, such as 1%, for at most "
	 "--duration (default " UNTIL_DURATION " then)",
	 .take = take_until},
	{0, "slice", "DUR",
	 "load a target for DUR at a time; by default for 3 messages on each connection, "
	 "within 5ms to 100ms, and for 150ms in mode stream",
	 SETTING_DURATION, SETTING_FIELD(struct ab_command, rounds.slice), .least = NS_PER_MS,
	 .most = 60 * NS_PER_S},
	{0, "warmup", "DUR", "load each target for DUR before the first round", SETTING_DURATION,
	 LOAD_FIELD(warmup), .least = NS_PER_MS, .preset = "100ms"},
#define LOAD_IN_SLICES
#include "echoload/run/load_options.def"
	{0, "expect", "CHECK", "exit 1 if CHECK fails, such as 'b.rate>=0.98'; up to 32 times",
	 .take = take_expect},
	{0, "json", "FILE", "write the result as JSON; -: to standard output", SETTING_TEXT,
	 SETTING_FIELD(struct ab_command, json)},
};

static const char summary[] =
	"Tells which of several servers is faster. All hold their connections; one at a\n"
	"time is loaded for some milliseconds. In a round each target has two turns, in\n"
	"random order, which give its ratio to the first target. The first target's\n"
	"ratio to itself, from turn to turn, must be 1. Targets without a NAME are a, b,\n"
	"c...";

static const char epilogue[] =
	"DUR is a number and one of us, ms, s, m, h. SIZE may end in k, m or g; RATE, of\n"
	"one target, in k or m. A CHECK is NAME.rate, .p50, .p99 or .cpu, one of < <= >=\n"
	">, and a ratio. It holds if the whole interval satisfies it, and fails if no\n"
	"part of the interval does.\n"
	"\n"
	"Exit status:\n"
	"  0  the targets were measured, and the checks hold\n"
	"  1  a check fails, or wrong bytes came back\n"
	"  2  wrong usage\n"
	"  3  a target could not be reached, or a file or standard output could not be\n"
	"     written\n"
	"  4  a target left messages unanswered, a check is undecided, or there were too\n"
	"     few rounds";

static int refuse(const struct ab_command *command, struct echod_error *error)
{
	const struct arguments *arguments = &command->arguments;
	const char *why = NULL;
	if (arguments->target_count < 2)
		why = "at least two targets are needed (see " AB_PROGRAM " --help)";
	else if (arguments->config.mode == MODE_IDLE)
		why = "--mode idle: too little happens in it to compare";
	else if (command->rounds.most &&
		 (cmdline_has(arguments->cmdline, "duration") || command->rounds.until > 0))
		why = "--rounds: not together with --duration or --until";
	else if (command->json && !*command->json)
		why = "--json: '' is no file";
	return why ? error_set(error, ECHOD_ERROR_USAGE, "%s", why) : 0;
}

static int complete(struct ab_command *command, struct echod_error *error)
{
	struct load_config *config = &command->arguments.config;
	size_t targets = command->arguments.target_count;
	command->rounds.config = config;
	if (refuse(command, error) != 0)
		return -1;
	// A thread that blocks lets its CPU rest between two messages. On which CPU a server is
	// woken then matters more than which server it is.
	if (config->rate == 0 && !load_mode_takes(config->mode, "visit") &&
	    config->connections * config->pipeline <= FEW_MESSAGES * config->threads)
		config->spin |= sysconf(_SC_NPROCESSORS_ONLN) > (long)config->threads;
	config->by_target = true;
	config->connections *= (unsigned)targets;
	if (command->rounds.most > 0)
		config->duration = CLOCK_NEVER;
	else if (command->rounds.until > 0 && !cmdline_has(command->arguments.cmdline, "duration"))
		cmdline_set(command->arguments.cmdline, "duration", UNTIL_DURATION);
	for (size_t i = 0; i < command->check_count; i++) {
		if (check_judge(command->checks[i], &command->rounds, error) == EXIT_USAGE)
			return -1;
	}
	if (command->json &&
	    atomic_file_check(command->json = paths_output(command->json), error) != 0)
		return -1;
	return arguments_finish(&command->arguments, error);
}

static int conclude(const struct ab_command *command, struct echod_error *error)
{
	const struct rounds *rounds = &command->rounds;
	bool taken = command->json && strcmp(command->json, "-") == 0;
	const struct ratios *ratios = &rounds->targets[1].ratios[MEASURE_RATE];
	if (isnan(ratios->median.low)) {
		fprintf(stderr,
			AB_PROGRAM ": %zu rounds with a result are too few to say anything: 6 are "
				   "needed\n",
			ratios->count);
		return EXIT_INCONCLUSIVE;
	}
	if (command->json && rounds_write(rounds, command->json, error) != 0)
		return -1;
	rounds_print(rounds, taken ? stderr : stdout);
	int worst = EXIT_OK;
	for (size_t i = 0; i < command->check_count; i++) {
		int status = check_judge(command->checks[i], rounds, error);
		if (status != EXIT_OK)
			cmdline_complain(AB_PROGRAM, error->message);
		if (status == EXIT_CHECK_FAILED || worst == EXIT_OK)
			worst = status;
	}
	return worst;
}

static int run(void *context, struct echod_error *error)
{
	struct ab_command *command = context;
	if (complete(command, error) != 0)
		return -1;
	signals_heed(1); // it ends the measurement
	output_hold(true);
	int status = rounds_run(&command->rounds, error);
	output_hold(false);
	if (status == EXIT_OK)
		return conclude(command, error);
	cmdline_complain(AB_PROGRAM, error->message);
	return status;
}

int ab_main(int argc, char **argv)
{
	static struct ab_command command;
	const struct cmdline cmdline = {
		.program = AB_PROGRAM,
		.synopsis = "[NAME=]TARGET [NAME=]TARGET... [OPTION]...",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take_target,
		.run = run,
		.context = &command,
		.given = &command.arguments.given,
	};
	arguments_begin(&command.arguments, &cmdline, argc, argv);
	return cmdline_run(&cmdline, argc, argv);
}
