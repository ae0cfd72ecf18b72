// What was printed, on a pseudo-terminal or into a file, for tests of what users see. Main thread.
#ifndef ECHOD_UNIT_PRINTED_H
#define ECHOD_UNIT_PRINTED_H

#include "process.h"
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

// Fail the test unless each of the strings is, or is not, in what was taken last.
#define printed_shows(...) printed_shows_all(STRINGS(__VA_ARGS__))
#define printed_shows_not(...) printed_shows_none(STRINGS(__VA_ARGS__))
void printed_shows_all(const char *const *strings);
void printed_shows_none(const char *const *strings);

// Columns of its widest line, without escape sequences.
size_t printed_width(void);

#endif
