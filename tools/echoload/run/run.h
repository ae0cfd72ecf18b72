// One run of the load, from the first connect to its verdict; its report and its files; and the
// search for the highest rate that holds a limit, which takes many runs. Main thread.
#ifndef ECHOLOAD_RUN_H
#define ECHOLOAD_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/screen.h"
#include "echoload/judge/verdict.h"
#include "echoload/result/result.h"
#include "run_options.h"

struct run {
	struct engine_result result;
	struct evidence evidence;
	struct verdict verdict;
	bool interrupted; // by a signal
};

// Where it goes: a terminal, a line for each interval, --json, --hgrm, --hlog, --csv.
struct outputs {
	const struct run_options *options;
	struct screen progress; // standard error
	struct screen report;	// standard output, unless data goes there
	bool recording;		// the intervals of this run are kept, as it is not one of a search
	FILE *stream[OUTPUT_FILES]; // those of --hlog and --csv, from the first interval on
	struct echod_error failure; // of the first of the two that could not be written
	struct result result;
	bool lacks_interval; // for which there was no memory

	// The interval that is being made of one or more of the engine's.
	struct result_interval interval;
	struct hdr latency;
};

// Runs the load, until an ending signal at most (base/signals.h). Returns 0; or -1: it could not
// begin, or there was no connection. Then there is nothing to free.
int run_load(struct run *run, const struct load_config *config, struct outputs *outputs,
	     struct echod_error *error);

// Checks, before the load begins, that the files can be written. They stay as they are until there
// is something to write.
int outputs_open(struct outputs *outputs, const struct run_options *options,
		 struct echod_error *error);

void outputs_interval(struct outputs *outputs, const struct interval *interval);

// Writes the files that are written at the end, each even if another fails. Returns 0, or -1 if one
// could not be written. `extra`, or NULL: more evidence, a JSON object whose members are added.
int outputs_finish(struct outputs *outputs, const struct run *run, json_t *extra,
		   struct echod_error *error);
void outputs_close(struct outputs *outputs);

// The load as it took effect, and this machine, for a result. NULL: no memory.
json_t *outputs_configuration(const struct load_config *config);
json_t *outputs_machine(void);

// How far a run has come.
struct report_line {
	uint64_t elapsed;	  // ns of recording
	uint64_t duration;	  // ns in all, CLOCK_NEVER: not known
	uint64_t messages, count; // until now and in all, 0: not known
	double rate;		  // messages a second, in the last interval
	uint64_t p50, p99;	  // ns, in the last interval; 0: nothing came
	uint64_t errors;	  // until now
};

// Draws the progress over that of before; nothing unless it is a terminal.
void report_progress(struct screen *screen, const struct report_line *state);

// Prints the line of an interval, before the first one the heading; nothing if it is a terminal.
void report_interval(struct screen *screen, const struct result_interval *interval,
		     const struct hdr *latency, unsigned connections);

// Prints the report at the end of a run, at most 80 columns wide.
void report_print(struct screen *screen, const struct run *run);

// A small histogram of at most 12 lines of 79 columns: how many samples were up to which duration,
// each step the same factor wider up to p99.9, then all the rest.
void report_histogram(const struct screen *screen, const struct hdr *hdr);

// `--search`.
struct search {
	double held;	   // messages a second: the highest at which the limit held; 0: none
	double missed;	   // the lowest at which it did not; 0: none
	unsigned runs;	   // in all
	bool client_bound; // beyond `held` it was the generator that could do no more
	bool interrupted;

	// Of the search itself.
	struct load_config config;
	const struct expect *limit;
	struct outputs *outputs;
	double capacity; // messages a second that the server seems to sustain; 0: no guess yet
};

// Runs the load of `outputs->options` at one rate after another, each time for its duration, and
// prints a line for each to the report. A rate holds if the limit does, if the server sustains it
// (verdict.h), and if nothing is lost. Returns 0, or -1: a run could not begin.
int search_run(struct search *search, struct outputs *outputs, struct echod_error *error);

// Whether the run holds the limit. If not, `line` says why.
bool search_holds(const struct run *run, const struct expect *limit, char line[static EXPECT_LINE]);

// The outcome: for people, also if the search was interrupted; and for the result (NULL: no
// memory).
void search_print(const struct search *search, FILE *file);
json_t *search_describe(const struct search *search);

#endif
