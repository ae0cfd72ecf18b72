// A private directory of the running test, with a path short enough for sockets. It is removed when
// the test ends. One thread.
#ifndef ECHOD_TESTS_PLACE_H
#define ECHOD_TESTS_PLACE_H

#include <stddef.h>

// The path of `name` in the directory, which the first call makes. Valid until the test ends.
const char *place_path(const char *name);

// The same as the address of a Unix-domain socket, unix:PATH.
const char *place_address(const char *name);

// Writes a file there and returns its path.
const char *place_file(const char *name, const void *bytes, size_t size);

// All of a file, which must not be empty, or its first MiB. Valid until the test ends.
const char *place_read(const char *path);

// How many files of the directory have `part` in their names.
size_t place_count(const char *part);

// Whether `path` exists, of any kind; a symbolic link is not followed.
int place_exists(const char *path);

#endif
