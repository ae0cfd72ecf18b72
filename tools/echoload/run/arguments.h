// The load that a command line asks for: the options that each command with a load takes, with
// their checks and defaults. Main thread only.
#ifndef ECHOLOAD_ARGUMENTS_H
#define ECHOLOAD_ARGUMENTS_H

#include "base/cmdline.h"
#include "echoload/load/config.h"

#define DEFAULT_TARGET "127.0.0.1:65432"

// The first member of the context of a command line with such options.
struct arguments {
	struct load_config config;
	struct address targets[CONFIG_ENDPOINTS];
	size_t target_count;
	const struct cmdline *cmdline;
	uint64_t given; // what cmdline_has looks at
};

// A field of the load, for a row of the table of options.
#define LOAD_FIELD(field) CMDLINE_FIELD(struct arguments, config.field)

// Takes one of the options in load_options.def that are of no kind; with `option` NULL a target.
int arguments_take(struct arguments *arguments, const char *option, const char *value,
		   struct error *error);

// Before cmdline_read: sets the defaults, which depend on the mode.
void arguments_begin(struct arguments *arguments, const struct cmdline *cmdline, int argc,
		     char **argv);

// After it: fills in what depends on what was given, refuses options that contradict each other,
// and looks for the targets, for config.timeout at most each. Returns 0; or -1: also when a name is
// unknown, none of its addresses answers, or a source cannot reach it.
int arguments_finish(struct arguments *arguments, struct error *error);

#endif
