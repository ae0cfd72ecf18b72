// The first difference between the bytes sent and the bytes received. Any thread.
#ifndef ECHOCAT_DIFFERENCE_H
#define ECHOCAT_DIFFERENCE_H

#include <stddef.h>
#include <stdint.h>

#define DIFFERENCE_NOTHING (-1) // instead of a byte: none was sent there, so a surplus byte came
#define DIFFERENCE_TEXT_SIZE 120

struct difference {
	uint64_t offset; // counted from 0
	int sent;	 // a byte or DIFFERENCE_NOTHING
	int received;
};

// How many bytes the two have in common at their start; `length` when they are equal.
size_t difference_find(const void *sent, const void *received, size_t length);

// Writes the difference in words; returns `text`, which has room for DIFFERENCE_TEXT_SIZE bytes.
char *difference_format(const struct difference *difference, char *text);

#endif
