// The files that `echoload merge`, `compare` and `report` are given as operands. Main thread.
#ifndef ECHOLOAD_INPUTS_H
#define ECHOLOAD_INPUTS_H

#include <stddef.h>

#include "base/error.h"

// First member of what is a command's context.
struct inputs {
	const char *output;	  // --output, which may not be one of them
	const char *const *paths; // before the command line is read: the end of argv
	size_t count;
};

// Takes an operand (struct cmdline). getopt_long has put all of them at the end of argv.
int inputs_take(void *context, const char *name, const char *value, struct error *error);

// Says which of them `why` is about. Returns -1.
int inputs_fail(const struct inputs *inputs, size_t index, const struct error *why,
		struct error *error);

#endif
