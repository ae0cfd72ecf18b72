// Two results side by side: `echoload compare`. Main thread.
#ifndef ECHOLOAD_COMPARE_H
#define ECHOLOAD_COMPARE_H

#include "base/error.h"
#include "bootstrap.h"
#include "result.h"

struct comparison {
	bool bytes;	       // the rate is of bytes: one of them counted no messages
	double left[MEASURES]; // a second, ns
	double right[MEASURES];
	double change[MEASURES]; // (right - left) / left
	struct confidence confidence[MEASURES];
};

// Whether there is enough in both to tell a difference from noise: 0, or -1 with `error` saying
// what is lacking.
int compare_check(const struct result *left, const struct result *right, struct error *error);

// For two that have passed compare_check. Returns 0, or -1: no memory, or a histogram that is none.
int compare_results(struct comparison *comparison, const struct result *left,
		    const struct result *right, struct error *error);

// The winner in that measure: 0 the left, 1 the right one, -1: the interval contains 0.
int compare_winner(const struct comparison *comparison, enum measure measure);

// Why no winner in that measure can be named, whatever the figures say; NULL: one can.
const char *compare_objection(const struct result *left, const struct result *right,
			      enum measure measure);

// The subcommand; argv[0] is its name. Returns the exit status.
int compare_main(int argc, char **argv);

#endif
