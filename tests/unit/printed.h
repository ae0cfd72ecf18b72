// Text printed on a pseudo-terminal or into a file, for tests of what users see. Main thread.
#ifndef ECHOD_UNIT_PRINTED_H
#define ECHOD_UNIT_PRINTED_H

#include "process.h"

// Sets the variables that say what a terminal and its reader can do.
void printed_environment(const char *term, const char *no_color, const char *locale);

// A terminal of so many columns, one at a time. Returns what prints on it.
FILE *terminal_open(unsigned short columns);
void terminal_close(void);

// Takes the text printed on the terminal since the last time. It is valid until the next call of
// these two.
const char *printed_on_terminal(void);

// Takes the text that `print` prints into a file.
const char *printed_by(void (*print)(FILE *file));

// Fail the test unless each of the strings is, or is not, in the text taken last.
#define printed_shows(...) printed_shows_all(STRINGS(__VA_ARGS__))
#define printed_shows_not(...) printed_shows_none(STRINGS(__VA_ARGS__))
void printed_shows_all(const char *const *strings);
void printed_shows_none(const char *const *strings);

// Columns of its widest line, without escape sequences.
size_t printed_width(void);

#endif
