#include "base/file_id.h"

#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40 // that are followed, as in the kernel

bool file_id_find(const char *path, struct file_id *id)
{
	char at[PATH_MAX];
	char target[PATH_MAX];
	*id = (struct file_id){0};
	if (stat(path, &id->status) == 0)
		return true;
	if (strlen(path) >= sizeof(at))
		return false;
	strcpy(at, path);
	for (int links = 0; links < LINKS_MAX; links++) {
		char *slash = strrchr(at, '/');
		char *name = slash ? slash + 1 : at;
		ssize_t length = readlink(at, target, sizeof(target) - 1);
		if (length < 0) {
			if (strlen(name) > NAME_MAX)
				return false;
			strcpy(id->name, name);
			*name = '\0';
			return *id->name && stat(*at ? at : ".", &id->status) == 0;
		}
		target[length] = '\0';
		if (*target == '/')
			name = at;
		size_t room = sizeof(at) - (size_t)(name - at);
		if ((size_t)length >= room)
			return false;
		memcpy(name, target, (size_t)length + 1);
	}
	return false;
}

bool file_id_is_same(const struct file_id *one, const struct file_id *other)
{
	return one->status.st_dev == other->status.st_dev &&
	       one->status.st_ino == other->status.st_ino && strcmp(one->name, other->name) == 0;
}
