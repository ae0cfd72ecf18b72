// Files that are written at the end and as a whole. The old file stays until the new one is
// complete, and a failure leaves nothing behind. Main thread.
#ifndef ECHOLOAD_ATOMIC_FILE_H
#define ECHOLOAD_ATOMIC_FILE_H

#include <stdio.h>

#include "base/error.h"

// Checks that `path` can be written, as far as is known without opening or making it. Returns 0 or
// -1. `-` is standard output, here and below.
int atomic_file_check(const char *path, struct echod_error *error);

// Writes the content of a file. Returns 0, or another value: there was no memory.
typedef int atomic_file_fill(FILE *file, const void *context);

// Has `fill` write the file. A path that is no regular file, such as a device or a symbolic link,
// is written through. Returns 0 or -1.
int atomic_file_write(const char *path, atomic_file_fill *fill, const void *context,
		      struct echod_error *error);

#endif
