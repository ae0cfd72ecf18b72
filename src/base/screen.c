#include "base/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/output.h"

#define CLEAR_LINE "\r\033[K"
#define CURSOR_HOME "\033[H"
#define CLEAR_TO_LINE_END "\033[K"
#define CLEAR_TO_SCREEN_END "\033[J"
#define PLAIN "\033[0m"

// Whether the locale uses UTF-8. The locale of the process does not change.
static bool speaks_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	if (!locale)
		return false;
	bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
	freelocale(locale);
	return utf8;
}

void screen_open(struct screen *screen, FILE *file)
{
	// NOLINTBEGIN(concurrency-mt-unsafe): main thread only, and nobody sets them
	const char *kind = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");
	// NOLINTEND(concurrency-mt-unsafe)
	bool terminal =
		isatty(output_descriptor(file)) && kind && *kind && strcmp(kind, "dumb") != 0;
	*screen = (struct screen){
		.file = file,
		.terminal = terminal,
		.colour = terminal && !(no_colour && *no_colour),
		.utf8 = speaks_utf8(),
	};
}

static struct winsize window_of(const struct screen *screen)
{
	struct winsize window;
	if (ioctl(output_descriptor(screen->file), TIOCGWINSZ, &window) != 0 || !window.ws_row ||
	    !window.ws_col)
		window = (struct winsize){.ws_row = 24, .ws_col = 80};
	return window;
}

size_t screen_columns(const struct screen *screen)
{
	return window_of(screen).ws_col;
}

void screen_print(const struct screen *screen, const char *colour, const char *text)
{
	bool coloured = screen->colour && *colour;
	fprintf(screen->file, "%s%s%s", coloured ? colour : "", text, coloured ? PLAIN : "");
}

bool screen_begin_line(struct screen *screen)
{
	if (!screen->terminal || output_is_behind(screen->file))
		return false;
	fputs(CLEAR_LINE, screen->file);
	screen->drawn = true;
	return true;
}

void screen_clear(struct screen *screen)
{
	if (!screen->drawn)
		return;
	screen->drawn = false;
	// If the terminal takes no output, a progress line is not worth a wait at the end.
	if (output_drop(screen->file))
		return;
	fputs(CLEAR_LINE, screen->file);
	fflush(screen->file);
}

// The left eighths of a cell.
static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

void screen_bar(const struct screen *screen, double share, unsigned cells, bool fill)
{
	unsigned parts = screen->utf8 ? 8 : 1;
	unsigned left = (unsigned)(share * cells * parts + 0.5);
	if (left == 0 && share > 0)
		left = 1;
	unsigned drawn = 0;
	for (; left > 0; drawn++) {
		unsigned part = left < parts ? left : parts;
		fputs(screen->utf8 ? eighths[part] : "#", screen->file);
		left -= part;
	}
	if (fill)
		fprintf(screen->file, "%*s", (int)(cells - drawn), "");
}

// How many bytes of `text` fit on a line of `room` columns: up to a space, or all if there is none.
static size_t fit_line(const char *text, size_t room)
{
	size_t length = strlen(text);
	if (length <= room)
		return length;
	size_t at = room;
	while (at > 0 && text[at] != ' ')
		at--;
	return at ? at : room;
}

void screen_wrap(FILE *file, const char *text, size_t column, size_t indent)
{
	do {
		size_t length = fit_line(text, SCREEN_WRAP - indent);
		fprintf(file, "%*s%.*s\n", (int)(indent - column), "", (int)length, text);
		column = 0;
		text += length;
		while (*text == ' ')
			text++;
	} while (*text);
}

// How many bytes of a line of `length` bytes of UTF-8 fit into `columns`.
static size_t cut_line(const char *line, size_t length, size_t columns)
{
	size_t at = 0;
	for (; at < length; at++) {
		bool starts_character = ((unsigned char)line[at] & 0xc0) != 0x80;
		if (starts_character && columns-- == 0)
			break;
	}
	return at;
}

void screen_draw(const struct screen *screen, const char *text)
{
	struct winsize window = window_of(screen);
	fputs(CURSOR_HOME, screen->file);
	// The last row stays free: the cursor waits there.
	for (int row = 1; row < window.ws_row && *text; row++) {
		size_t length = strcspn(text, "\n");
		// Each line is drawn over the old one, so that nothing flickers. It is cleared
		// before its text: afterwards a cursor in the last column would clear the character
		// there.
		fprintf(screen->file, CLEAR_TO_LINE_END "%.*s\n",
			(int)cut_line(text, length, window.ws_col), text);
		text += length + (text[length] == '\n');
	}
	fputs(CLEAR_TO_SCREEN_END, screen->file);
}
