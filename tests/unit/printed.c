// Text printed on a pseudo-terminal or into a file. Main thread.
#include "printed.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#define END '\001' // is printed last: a terminal passes on what it gets in its own time
#define TERMINAL_MS 10000

static FILE *terminal;
static int outside; // what was printed on it comes out here
static char text[32768];

void printed_environment(const char *term, const char *no_color, const char *locale) {
	setenv("TERM", term, 1);
	setenv("NO_COLOR", no_color, 1);
	setenv("LC_ALL", locale, 1);
}

FILE *terminal_open(unsigned short columns) {
	const struct winsize size = {.ws_row = 24, .ws_col = columns};
	char name[64];
	outside = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(outside >= 0);
	assert_int_equal(grantpt(outside) | unlockpt(outside), 0);
	assert_int_equal(ioctl(outside, TIOCSWINSZ, &size), 0);
	assert_int_equal(ptsname_r(outside, name, sizeof(name)), 0);
	int fd = open(name, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	terminal = fdopen(fd, "w");
	assert_non_null(terminal);
	return terminal;
}

void terminal_close(void) {
	fclose(terminal);
	close(outside);
}

const char *printed_on_terminal(void) {
	fputc(END, terminal);
	fflush(terminal);
	size_t length = 0;
	do {
		struct pollfd ready = {.fd = outside, .events = POLLIN};
		assert_int_equal(poll(&ready, 1, TERMINAL_MS), 1);
		ssize_t count = read(outside, text + length, sizeof(text) - 1 - length);
		assert_true(count > 0);
		length += (size_t)count;
	} while (text[length - 1] != END);
	text[length - 1] = '\0';
	return text;
}

const char *printed_by(void (*print)(FILE *file)) {
	const char *printed = test_output(print);
	assert_true(strlen(printed) < sizeof(text));
	return strcpy(text, printed);
}

void printed_shows_all(const char *const *strings) {
	for (; *strings; strings++)
		assert_contains(text, *strings);
}

void printed_shows_none(const char *const *strings) {
	for (; *strings; strings++)
		if (strstr(text, *strings))
			fail_msg("'%s' is in:\n%s", *strings, text);
}

size_t printed_width(void) {
	size_t widest = 0, columns = 0;
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			columns = 0;
		else if (*at == '\033')
			at += strcspn(at, "Km");
		else if (*at != '\r' && ((unsigned char)*at & 0xc0) != 0x80)
			columns++; // not within a character of UTF-8
		widest = columns > widest ? columns : widest;
	}
	return widest;
}
