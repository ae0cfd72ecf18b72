// Descriptors that take no byte, for the output of programs. Any failure fails the running test.
// One thread.
#ifndef ECHOD_TESTS_BLOCKED_H
#define ECHOD_TESTS_BLOCKED_H

#include <stddef.h>

enum blocked_kind {
	BLOCKED_PIPE,	  // full
	BLOCKED_SOCKET,	  // full
	BLOCKED_TERMINAL, // stopped, as with Ctrl-S
	BLOCKED_KINDS,
};

struct blocked {
	int writer; // for the program; in blocking mode
	int reader; // never blocks
	enum blocked_kind kind;
};

extern const char *const blocked_names[BLOCKED_KINDS];

void blocked_open(struct blocked *blocked, enum blocked_kind kind);

// Lets a terminal go on; the others go on with the first read.
void blocked_release(const struct blocked *blocked);

// Appends the output of programs so far to the `length` bytes in `text`, and a zero byte. Returns
// the new length.
size_t blocked_read(const struct blocked *blocked, char *text, size_t length, size_t size);

void blocked_close(struct blocked *blocked);

#endif
