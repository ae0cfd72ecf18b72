// Standard output or standard error as people see it: what kind of terminal it is, if any, and
// drawing on it again and again. Main thread only.
#ifndef ECHOD_BASE_SCREEN_H
#define ECHOD_BASE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct screen {
	FILE *file;
	bool terminal; // it can be drawn on
	bool colour;   // it is a terminal, and NO_COLOR is not set
	bool utf8;     // of the locale
	bool drawn;    // a line that is to be drawn over stands there
};

#define SCREEN_RED "\033[31m"
#define SCREEN_BOLD "\033[1m"

// Looks what `file` is, which must stay open as long as the screen is used.
void screen_open(struct screen *screen, FILE *file);

// Columns of the window; 80 where that is not known.
size_t screen_columns(const struct screen *screen);

// Prints `text`, in `colour` where there are colours and if that is not empty.
void screen_print(const struct screen *screen, const char *colour, const char *text);

// Prints `text` in lines of at most SCREEN_WRAP columns, which begin at `indent`; in the first one
// `column` columns, not more than that, are filled already.
#define SCREEN_WRAP 79
void screen_wrap(FILE *file, const char *text, size_t column, size_t indent);

// Prints a bar: `share` (0 to 1) of `cells` columns, in block characters where UTF-8 is read, else
// #; what is more than 0 is seen. With `fill` spaces make it `cells` columns.
void screen_bar(const struct screen *screen, double share, unsigned cells, bool fill);

// Begins to draw a line over the one before. Returns false, and there is nothing to do, unless it
// is a terminal that takes what is printed.
bool screen_begin_line(struct screen *screen);

// Removes that line, as something else is to be printed.
void screen_clear(struct screen *screen);

// Draws `text` from the top left corner of a terminal over what was there, cut to the window.
void screen_draw(const struct screen *screen, const char *text);

#endif
