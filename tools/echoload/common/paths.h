// The files of a command line: which of them are the same one, however they are written,
// and how to call them. Main thread.
#ifndef ECHOLOAD_PATHS_H
#define ECHOLOAD_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

// An output `-` is standard output.

// Returns `path`, or `-` if that is the same file, as /dev/stdout is.
const char *paths_output(const char *path);

// Whether two outputs are one file, which need not exist yet, whatever their paths. Never true of
// /dev/null, which keeps nothing.
bool paths_same(const char *left, const char *right);

// Whether the path ends in `end`, with something before it.
bool paths_end_in(const char *path, const char *end);

// The files that `echoload merge`, `compare` and `report` read, which are their operands.
struct inputs {
	const char *output;	  // --output, or `-`
	const char *const *paths; // before the command line is read: the end of argv
	size_t count;
};

// Takes an operand, as cmdline.take with a struct inputs at the beginning of the context:
// getopt_long has put all of them at the end of argv.
int inputs_take(void *context, const char *name, const char *value, struct echod_error *error);

// Returns -1 if the output is one of the files that are read.
int inputs_check(const struct inputs *inputs, struct echod_error *error);

// Fails for the reason `why`, with the path of the file before it. Returns -1.
int inputs_fail(const struct inputs *inputs, size_t index, const struct echod_error *why,
		struct echod_error *error);

#define PATHS_LABEL 59 // bytes of a label with its NUL

// Fills `names` with a label for each path: without the folders that all have in common, and
// without `.json` where all have it; of a long one its end. Bytes that are not printable ASCII
// become `?`.
void paths_label(const char *const *paths, size_t count, char (*names)[PATHS_LABEL]);

#endif
