// The command line of echoload. Main thread only.
#ifndef ECHOLOAD_OPTIONS_H
#define ECHOLOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echoload/judge/expect.h"
#include "echoload/load/config.h"

#define OPTIONS_EXPECTS 32

enum wish_file { WISH_JSON, WISH_HGRM, WISH_HLOG, WISH_CSV, WISH_FILES };

// What is to be told of the run, and when it is to count as failed. The texts are those of argv.
struct wishes {
	const char *files[WISH_FILES]; // `-`: standard output; NULL: not wanted
	bool data_on_stdout;	       // one of them goes there, so that the report must not
	uint64_t interval;   // ns, whole seconds: what a line, a row of csv or of hlog covers
	bool interval_lines; // where no terminal shows the progress
	struct expect expects[OPTIONS_EXPECTS];
	size_t expect_count;
	struct expect search; // the limit that the highest rate is sought for
	bool searching;
	bool allow_client_bound, allow_errors, no_experiment;
};

// Fills both. Looks for the targets, so it may wait. Returns -1 when the program
// should go on, else the status to exit with; then all has been said.
int options_read(struct load_config *config, struct wishes *wishes, int argc, char **argv);

#endif
