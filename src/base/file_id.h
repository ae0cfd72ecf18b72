// The identity of the file that a path leads to, however the path is written. Any thread; reads the
// file system.
#ifndef ECHOD_BASE_FILE_ID_H
#define ECHOD_BASE_FILE_ID_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct file_id {
	struct stat status;	 // of the file; of its folder if the file does not exist
	char name[NAME_MAX + 1]; // in that folder; empty: the file exists
};

// Finds the file at `path` and follows symbolic links. If there is no file, finds the place where
// it would be created. Returns whether it succeeded.
bool file_id_find(const char *path, struct file_id *id);

// Whether the two are one file.
bool file_id_is_same(const struct file_id *one, const struct file_id *other);

#endif
