// The files of a command line. Main thread.
#include "paths.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINKS_MAX 40 // that are followed, as in the kernel
#define NULL_DEVICE makedev(1, 3)

struct identity {
	struct stat status;	 // of the file; of its folder if it is yet to be made
	char name[NAME_MAX + 1]; // in that folder; empty: the file is there
};

// Of a file that is yet to be made; a symbolic link may lead to it.
static bool identify_new(const char *path, struct identity *identity)
{
	char at[PATH_MAX];
	char target[PATH_MAX];
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
			strcpy(identity->name, name);
			*name = '\0';
			return stat(*at ? at : ".", &identity->status) == 0;
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

// Returns false if it cannot be looked at, or keeps nothing.
static bool identify(const char *path, struct identity *identity)
{
	*identity = (struct identity){0};
	struct stat *status = &identity->status;
	bool standard = strcmp(path, "-") == 0;
	if ((standard ? fstat(STDOUT_FILENO, status) : stat(path, status)) == 0)
		return !S_ISCHR(status->st_mode) || status->st_rdev != NULL_DEVICE;
	return !standard && identify_new(path, identity);
}

static bool is_one(const struct stat *left, const struct stat *right)
{
	return left->st_dev == right->st_dev && left->st_ino == right->st_ino;
}

bool paths_same(const char *left, const char *right)
{
	struct identity one;
	struct identity other;
	return identify(left, &one) && identify(right, &other) &&
	       is_one(&one.status, &other.status) && strcmp(one.name, other.name) == 0;
}

const char *paths_output(const char *path)
{
	return paths_same(path, "-") ? "-" : path;
}

bool paths_end_in(const char *path, const char *end)
{
	size_t length = strlen(path);
	return length > strlen(end) && strcmp(path + length - strlen(end), end) == 0;
}

int paths_check_inputs(const char *output, const char *const *inputs, size_t count,
		       struct error *error)
{
	struct identity identity;
	struct stat input;
	bool exists = identify(output, &identity) && !*identity.name;
	for (size_t i = 0; exists && i < count; i++) {
		if (stat(inputs[i], &input) == 0 && S_ISREG(input.st_mode) &&
		    is_one(&identity.status, &input))
			return error_set(error, ERROR_USAGE,
					 "'%.160s' is read, so that it cannot be the output, too",
					 inputs[i]);
	}
	return 0;
}
