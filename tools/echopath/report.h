// The results as a table, TAP, JSON and JUnit XML, and what --expect says of them. Main thread
// only.
#ifndef ECHOPATH_REPORT_H
#define ECHOPATH_REPORT_H

#include <stdio.h>

#include "options.h"

struct report {
	const struct options *options;
	const struct path *path;
	struct result *results; // of all behaviours; allocated
	unsigned printed;	// rows
	FILE *json, *junit;	// NULL: not wanted
	// The worst verdict that is no failure, for each behaviour: with --expect what it says, or
	// kept; without it changed.
	enum verdict *allowed;
};

// Reads the file of --expect, lines `ID RESULT`, where `#` begins a comment. Opens the files that
// are written. Returns 0, or -1 with `error`.
int report_open(struct report *report, struct echod_error *error);

// Prints what precedes the first row, and a row.
void report_begin(struct report *report);
void report_row(struct report *report, const struct result *result);

// Prints the sums, and writes and closes the files. Returns 0, or -1 with `error`.
int report_end(struct report *report, struct echod_error *error);

// The exit status. What is not as expected is printed.
int report_status(const struct report *report);

void report_free(struct report *report);

// Prints all behaviours with their rules and sources.
void report_list(void);

#endif
