// A terminal's window that the same text is drawn into again and again: every line over the old
// one, so that nothing flickers. Main thread only.
#include "base/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CURSOR_HOME "\033[H"
#define CLEAR_TO_LINE_END "\033[K"
#define CLEAR_TO_SCREEN_END "\033[J"

bool screen_available(void)
{
	const char *terminal = getenv("TERM");
	return isatty(STDOUT_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
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

void screen_draw(const char *text)
{
	struct winsize window;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || !window.ws_row || !window.ws_col)
		window = (struct winsize){.ws_row = 24, .ws_col = 80};
	fputs(CURSOR_HOME, stdout);
	// The last row stays free: the cursor waits there.
	for (int row = 1; row < window.ws_row && *text; row++) {
		size_t length = strcspn(text, "\n");
		// Not after the text: a cursor in the last column would clear what is there.
		printf(CLEAR_TO_LINE_END "%.*s\n", (int)cut_line(text, length, window.ws_col),
		       text);
		text += length + (text[length] == '\n');
	}
	fputs(CLEAR_TO_SCREEN_END, stdout);
}
