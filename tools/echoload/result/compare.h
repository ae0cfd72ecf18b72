// Results side by side, the runs of one server against those of another: `echoload compare`. It
// compares one figure of each run, as the seconds of one run depend on each other. Main thread.
#ifndef ECHOLOAD_COMPARE_H
#define ECHOLOAD_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "echoload/common/rank.h"
#include "result.h"

#define COMPARE_RUNS 5 // a side: with fewer there is no winner

#define COMPARED MEASURE_CPU // the measures before it, which every result has

struct comparison {
	size_t count[2];		       // runs of each side, at most RANK_MOST
	double figure[2][COMPARED][RANK_MOST]; // of each run, in order: a second, ns
	double median[2][COMPARED];
	double p[COMPARED];		 // that chance makes the two sides differ so much
	const char *objection[COMPARED]; // why no winner can be named; NULL: there is one
	bool right_wins[COMPARED];
};

// Compares `count[0]` results with the `count[1]` that follow them, at least 1 a side. All are of
// one load (merge_check).
void compare_results(struct comparison *comparison, const struct result *results,
		     const size_t count[2]);

// Returns 0 if the result counts; or -1: its figures are in part the generator's, or not everything
// was answered.
int compare_check(const struct result *result, struct echod_error *error);

// The subcommand; argv[0] is its name. Returns the exit status.
int compare_main(int argc, char **argv);

#endif
