// What `echoload ab` says of a comparison, and checks of it: `b.rate>=0.98`. Main thread.
#ifndef ECHOLOAD_AB_REPORT_H
#define ECHOLOAD_AB_REPORT_H

#include <stdio.h>

#include "rounds.h"

#define REPORT_NAME 17 // bytes of a target's name

// For people.
void rounds_print(const struct rounds *rounds, FILE *file);

// As JSON; `path` may be `-`, standard output. Returns 0 or -1.
int rounds_write(const struct rounds *rounds, const char *path, struct error *error);

struct check {
	const char *text; // as it was written
	size_t target;
	enum measure measure;
	bool at_least; // else at most
	double limit;  // a ratio to the first target
};

// `text` must live as long as `check`, which is of one of the `count` names.
int check_parse(struct check *check, const char *text, const char *const *names, size_t count,
		struct error *error);

// Returns EXIT_OK if the whole interval keeps to the limit, EXIT_CHECK_FAILED if all of it misses
// it, else EXIT_INCONCLUSIVE; and prints a line unless it holds.
int check_judge(const struct check *check, const struct rounds *rounds, const char *program);

#endif
