// A file that is written at the end and as a whole, from memory: until all of the new one is there,
// the old one stays, and whatever fails leaves nothing behind. Main thread.
#ifndef ECHOLOAD_REPLACEMENT_H
#define ECHOLOAD_REPLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct replacement {
	FILE *file;
	const char *path;
	char *text; // what has been written to `file`, in memory
	size_t length;
};

// Whether `path` looks as if it could be written; nothing is opened or made. Returns 0, or -1 with
// errno. `-` is standard output, here and below.
int replacement_check(const char *path);

// Begins to write to `file`. `path` must live until the close. Returns 0, or -1 with errno.
int replacement_open(struct replacement *replacement, const char *path);

// Puts the file in its place if it is `complete`. A path that is no regular file, such as a device
// or a symbolic link, is written through. Returns 0, or -1 with errno.
int replacement_close(struct replacement *replacement, bool complete);

#endif
