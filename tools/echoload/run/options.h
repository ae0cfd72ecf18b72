// The command line of echoload. Main thread only.
#ifndef ECHOLOAD_OPTIONS_H
#define ECHOLOAD_OPTIONS_H

#include "arguments.h"
#include "echoload/judge/expect.h"

#define OPTIONS_EXPECTS 32

enum output_file { OUTPUT_JSON, OUTPUT_HGRM, OUTPUT_HLOG, OUTPUT_CSV, OUTPUT_FILES };

// The load, what is to be told of the run, and when it is to count as failed. The texts are those
// of argv.
struct options {
	struct arguments load;
	const char *files[OUTPUT_FILES]; // `-`: standard output; NULL: not wanted
	bool data_on_stdout;		 // one of them goes there, so that the report must not
	uint64_t interval;   // ns, whole seconds: what a line, a row of csv or of hlog covers
	bool interval_lines; // where no terminal shows the progress
	struct expect expects[OPTIONS_EXPECTS + 2]; // with those of every run
	size_t expect_count;
	struct expect search; // the limit that the highest rate is sought for; its text NULL: none
	bool allow_client_bound, allow_errors, no_experiment;
};

// Looks for the targets, so it may wait. Returns -1 when the program should go on, else the status
// to exit with; then all has been said.
int options_read(struct options *options, int argc, char **argv);

#endif
