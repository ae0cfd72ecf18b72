// The highest rate that holds a limit: `--search`. Main thread.
#ifndef ECHOLOAD_SEARCH_H
#define ECHOLOAD_SEARCH_H

#include "run.h"

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

// Runs the load at one rate after another, each time for the duration that `config` says, and
// prints a line for each to its report. A rate holds if the limit does, if the server sustains it
// (verdict.h), and if nothing is lost. Returns 0, or -1: a run could not begin.
int search_run(struct search *search, const struct load_config *config, const struct expect *limit,
	       struct outputs *outputs, struct echod_error *error);

// Whether the run holds the limit. If not, `line` says why.
bool search_holds(const struct run *run, const struct expect *limit, char line[static EXPECT_LINE]);

// What was found: for people, also if the search was interrupted; and for the result (NULL: no
// memory).
void search_print(const struct search *search, FILE *file);
json_t *search_describe(const struct search *search);

#endif
