// A request of the control protocol: one line, taken apart into words. Any thread.
#ifndef ECHOD_CONTROL_REQUEST_H
#define ECHOD_CONTROL_REQUEST_H

#include <stddef.h>

#define REQUEST_MAX_LINE 1024 // with its newline
#define REQUEST_MAX_WORDS 4

struct request {
	size_t count;
	const char *words[REQUEST_MAX_WORDS]; // into the line
};

enum request_result {
	REQUEST_OK,
	REQUEST_EMPTY,
	REQUEST_TOO_MANY_WORDS,
	REQUEST_NOT_TEXT, // it holds a NUL byte
};

// Takes `line` apart where it stands: `length` bytes without the newline, and room for one byte
// behind them. A carriage return at its end does not count.
enum request_result request_parse(char *line, size_t length, struct request *request);

#endif
