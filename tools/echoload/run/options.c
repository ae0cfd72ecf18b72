// The command line of echoload as a whole. Main thread only.
#include "options.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "arguments.h"
#include "base/clock.h"
#include "base/cmdline.h"
#include "base/units.h"
#include "checks.h"
#include "echoload/common/number.h"
#include "targets.h"

#define PROGRAM "echoload"
#define DEFAULT_TARGET "127.0.0.1:65432"
#define MOST_BYTES (UINT64_C(1) << 30) // of a visit: as of a message

static const struct cmdline_option table[] = {
#define OPTION(letter, name, argument, function, help) \
	{letter, name, argument, help, .kind = CMDLINE_TAKEN},
#include "options.def"
};

static const char synopsis[] = "[HOST:PORT | unix:PATH | unix:@NAME]... [OPTION]...\n"
			       "  or:  echoload report -o FILE RUN.json...\n"
			       "  or:  echoload compare A.json B.json\n"
			       "  or:  echoload merge [-o FILE] RUN.json...";

static const char summary[] =
	"Loads an echo server, checks every byte that comes back, measures how long it\n"
	"takes, and says whether to believe the figures. The connections go to the\n"
	"targets in turn; the default is " DEFAULT_TARGET ".\n"
	"\n"
	"Without --rate each connection waits for its echoes before it sends again (a\n"
	"closed loop). With it messages are due at their time, whether the server is\n"
	"ready or not (the open loop), and latency counts from then.\n"
	"\n"
	"What --json has written can be drawn (report), compared and merged; each of\n"
	"these has a --help of its own.";

static const char epilogue[] =
	"DUR is a number and one of us, ms, s, m, h. SIZE may end in k, m or g, powers\n"
	"of 1024; RATE in k or m, powers of 1000: 50k are 50,000 messages a second.\n"
	"A CHECK is a name, one of < <= == >= >, and a value in the unit of the name.\n"
	"\n"
	"Modes:\n"
	"  ping        send a message, wait for its echo\n"
	"  stream      both directions at once, as fast as it goes\n"
	"  churn       connect, echo --visit messages, close; again\n"
	"  idle        hold the connections, wake one --rate times a second\n"
	"  half-close  send --visit bytes and FIN, expect all of them, then FIN; again\n"
	"\n"
	"Checks:\n"
	"  p50, p99.9, ..., min, mean, max    latency, a DUR\n"
	"  uncorrected.p99, ...               in the open loop: from the actual sending\n"
	"  lateness.p99, ...                  in the open loop: of echoload itself\n"
	"  rate                               messages a second, a RATE\n"
	"  bytes_per_second, bytes_verified   a SIZE\n"
	"  messages, errors, faults           a whole number\n"
	"\n"
	"Exit status:\n"
	"  0  the load was run and the checks hold\n"
	"  1  a check does not hold, wrong bytes came back, or --search found no rate\n"
	"  2  wrong usage\n"
	"  3  no connection, or a file or standard output could not be written\n"
	"  4  the measurement does not count: echoload itself was what limited the rate,\n"
	"     the run is INCONCLUSIVE and a check of latency or rate was asked for,\n"
	"     nothing was answered, or a signal ended --search, or a run before\n"
	"     anything was measured";

// Reads what --visit means in its mode. A visit of half-close is one message.
static int set_visit(struct arguments *arguments, struct error *error)
{
	struct load_config *config = arguments->config;
	const char *visit = arguments->visit;
	struct error why;
	if (config->mode == MODE_CHURN) {
		if (units_parse_count(visit ? visit : "1", 1, NUMBER_EXACT_MAX, &config->visit,
				      &why) == 0)
			return 0;
	} else if (config->mode == MODE_HALF_CLOSE) {
		visit = visit ? visit : "64k";
		if (units_parse_size(visit, 1, MOST_BYTES, &config->visit, &why) == 0)
			return sizes_parse(visit, &config->sizes, error);
	} else {
		return 0;
	}
	return error_set(error, ERROR_USAGE, "--visit: %s", why.message);
}

// So that the bytes of two runs that meet on a server are not the same.
static int draw_run(struct load_config *config, struct error *error)
{
	uint32_t run;
	if (getrandom(&run, sizeof(run), 0) != (ssize_t)sizeof(run))
		return error_set(error, ERROR_SYSTEM, "cannot draw the number of the run: %s",
				 error_text(errno));
	config->run = run;
	return 0;
}

static bool is_stdout(const char *file)
{
	return file && strcmp(file, "-") == 0;
}

static bool is_stdout_taken(const struct wishes *wishes)
{
	return is_stdout(wishes->json) || is_stdout(wishes->hgrm) || is_stdout(wishes->hlog) ||
	       is_stdout(wishes->csv);
}

// Fills in what was not given and depends on what was.
static int set_defaults(struct arguments *arguments, struct error *error)
{
	struct load_config *config = arguments->config;
	bool stream = config->mode == MODE_STREAM;
	if (arguments->target_count == 0 &&
	    address_parse(DEFAULT_TARGET, &arguments->targets[arguments->target_count++], error) !=
		    0)
		return -1;
	if (!arguments_has(arguments, "connections"))
		config->connections = (unsigned)arguments->target_count;
	if (!arguments_has(arguments, "pipeline"))
		config->pipeline = stream ? 16 : 1;
	if (!arguments_has(arguments, "size") &&
	    sizes_parse(stream ? "64k" : "64", &config->sizes, error) != 0)
		return -1;
	if (!arguments_has(arguments, "rate") && config->mode == MODE_IDLE)
		config->rate = 10;
	if (!arguments_has(arguments, "duration") && config->count)
		config->duration = CLOCK_NEVER;
	if (!arguments_has(arguments, "run") && draw_run(config, error) != 0)
		return -1;
	return set_visit(arguments, error);
}

int options_read(struct load_config *config, struct wishes *wishes, int argc, char **argv)
{
	*config = (struct load_config){
		.threads = 1,
		.duration = 10 * NS_PER_S,
		.timeout = 5 * NS_PER_S,
		.verify = true,
	};
	*wishes = (struct wishes){.interval = NS_PER_S};
	struct arguments arguments = {.config = config, .wishes = wishes};
	const struct cmdline cmdline = {
		.program = PROGRAM,
		.synopsis = synopsis,
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = arguments_take,
		.context = &arguments,
	};
	int status = cmdline_read(&cmdline, argc, argv);
	struct error error;
	wishes->data_on_stdout = is_stdout_taken(wishes);
	if (status == -1 &&
	    (checks_run(&arguments, &error) != 0 || set_defaults(&arguments, &error) != 0 ||
	     targets_find(config, arguments.targets, arguments.target_count, &error) != 0))
		return cmdline_fail(PROGRAM, &error);
	return status;
}
