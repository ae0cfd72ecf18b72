// The command line: of a load, for each command that loads, and of echoload as a whole. Main thread
// only.
#ifndef ECHOLOAD_RUN_OPTIONS_H
#define ECHOLOAD_RUN_OPTIONS_H

#include "base/cmdline.h"
#include "echoload/judge/expect.h"
#include "echoload/load/load_config.h"

#define ECHOLOAD "echoload" // the name of the program
#define DEFAULT_TARGET ADDRESS_DEFAULT_HOST ":" ADDRESS_DEFAULT_PORT
#define LOAD_DURATION "10s" // the default of --duration

// The load that a command line asks for: the options of load_options.def, with their checks and
// defaults. The first member of the context of such a command line.
struct arguments {
	struct load_config config;
	struct address targets[CONFIG_ENDPOINTS];
	size_t target_count;
	const struct cmdline *cmdline;
	uint64_t given; // for cmdline_has
};

// A field of the load, for a row of the table of options.
#define LOAD_FIELD(field) SETTING_FIELD(struct arguments, config.field)

// As cmdline.take: takes one of the options in load_options.def that have no field; with `option`
// NULL a target.
int arguments_take(void *context, const char *option, const char *value, struct echod_error *error);

// Before cmdline_read: sets the defaults, which depend on the mode.
void arguments_begin(struct arguments *arguments, const struct cmdline *cmdline, int argc,
		     char **argv);

// After it: sets the defaults that depend on other options, refuses options that contradict each
// other, and finds the targets, for config.timeout at most each. Returns 0; or -1: also if a name
// is unknown, none of its addresses answers, or a source cannot reach it.
int arguments_finish(struct arguments *arguments, struct echod_error *error);

#define RUN_OPTIONS_EXPECTS 32

enum output_file { OUTPUT_JSON, OUTPUT_HGRM, OUTPUT_HLOG, OUTPUT_CSV, OUTPUT_FILES };

// The load, its outputs and its checks. The texts are those of argv.
struct run_options {
	struct arguments load;
	const char *files[OUTPUT_FILES]; // `-`: standard output; NULL: not wanted
	bool data_on_stdout;		 // one of them goes there, so that the report must not
	uint64_t interval;		 // ns, whole seconds: of a line, a row of csv or of hlog
	bool interval_lines;		 // where no terminal shows the progress
	struct expect expects[RUN_OPTIONS_EXPECTS + 2]; // with those of every run
	size_t expect_count;
	struct expect search; // the limit for the highest rate; its text NULL: none
	bool allow_client_bound, allow_errors, no_experiment;
};

// Finds the targets, so it may wait. Returns -1 if the program should go on, else the status to
// exit with; then an error or the help has been printed.
int run_options_read(struct run_options *options, int argc, char **argv);

#endif
