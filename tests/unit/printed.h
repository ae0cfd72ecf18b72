// What was printed, on a pseudo-terminal or into a file, for tests of what people see. Main thread.
#ifndef ECHOD_UNIT_PRINTED_H
#define ECHOD_UNIT_PRINTED_H

#include <stdio.h>

#include "test.h"

struct terminal {
	FILE *file;  // prints on it
	int outside; // what was printed comes out here
};

// Sets the variables that say what a terminal and its reader can do.
void printed_environment(const char *term, const char *no_color, const char *locale);

void terminal_open(struct terminal *terminal, unsigned short columns);
void terminal_close(struct terminal *terminal);

// Takes what has been printed on the terminal since the last time. Returns it, until the next call
// of these two.
const char *printed_on(struct terminal *terminal);

// Takes what `print` prints into a file.
const char *printed_by(void (*print)(FILE *file));

// Fail the test unless `what` is, or is not, in what was taken last.
void printed_shows(const char *what);
void printed_shows_not(const char *what);

// Columns of its widest line, without escape sequences.
size_t printed_width(void);

#endif
