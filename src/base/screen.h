// Standard output or standard error as a terminal: what it can show, and drawing on it repeatedly.
// Main thread only.
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
	bool drawn;    // the last line is to be drawn over
};

#define SCREEN_RED "\033[31m"
#define SCREEN_BOLD "\033[1m"

// Finds out what `file` is. It must stay open while the screen is used.
void screen_open(struct screen *screen, FILE *file);

// Columns of the window; 80 if unknown.
size_t screen_columns(const struct screen *screen);

// Prints `text`; in `colour` if that is not empty and the screen has colours.
void screen_print(const struct screen *screen, const char *colour, const char *text);

// Prints `text` in lines of at most SCREEN_WRAP columns, which begin at `indent`. Of the first line
// `column` columns, at most `indent`, are filled already.
#define SCREEN_WRAP 79
void screen_wrap(FILE *file, const char *text, size_t column, size_t indent);

// Prints a bar that fills `share` (0 to 1) of `cells` columns, in block characters with UTF-8, else
// in #. A share above 0 is always visible. With `fill`, spaces pad it to `cells` columns.
void screen_bar(const struct screen *screen, double share, unsigned cells, bool fill);

// Begins to draw a line over the one before. Returns false, and does nothing, when it is no
// terminal or the terminal takes no output now.
bool screen_begin_line(struct screen *screen);

// Removes that line, so that other text can be printed.
void screen_clear(struct screen *screen);

// Draws `text` from the top left corner of a terminal over the old contents. Text outside the
// window is left out.
void screen_draw(const struct screen *screen, const char *text);

#endif
