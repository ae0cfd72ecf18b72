// Which file a path leads to, however it is written. Any thread; looks at the file system.
#ifndef ECHOD_BASE_FILE_ID_H
#define ECHOD_BASE_FILE_ID_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct file_id {
	struct stat status;	 // of the file; of its folder if it is yet to be made
	char name[NAME_MAX + 1]; // in that folder; empty: the file is there
};

// Looks at the file at the end of `path`. If there is none it is the one that would be made:
// symbolic links are followed. Returns whether it could.
bool file_id_find(const char *path, struct file_id *id);

// Whether the two are one file.
bool file_id_is_same(const struct file_id *one, const struct file_id *other);

#endif
