// A file that is written at the end and as a whole: until all of the new one is there, the old one
// stays. One thread each.
#ifndef ECHOLOAD_REPLACEMENT_H
#define ECHOLOAD_REPLACEMENT_H

#include <stdbool.h>
#include <stdio.h>

struct replacement {
	FILE *file;
	const char *path;
	char *temporary; // beside `path`, from malloc; NULL: `path` itself is written
};

// Whether `path` looks as if it could be written; nothing is opened or made. Returns 0, or -1 with
// errno. `-` is standard output, here and below.
int replacement_check(const char *path);

// Begins to write. `path` must live until the close. What is no regular file, such as a device or a
// symbolic link, is written through. Returns 0, or -1 with errno.
int replacement_open(struct replacement *replacement, const char *path);

// Call it just after writing, as errno then says why that failed. Closes the file, and puts it in
// its place if it is `complete` and all could be written. Returns 0, or -1 with errno.
int replacement_close(struct replacement *replacement, bool complete);

#endif
