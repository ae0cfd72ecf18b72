// The files of a command line. Main thread.
#include "paths.h"

#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file_id.h"

#define NULL_DEVICE makedev(1, 3)

// Returns false if it cannot be looked at, or keeps nothing.
static bool identify(const char *path, struct file_id *id)
{
	*id = (struct file_id){0};
	if (strcmp(path, "-") == 0 ? fstat(STDOUT_FILENO, &id->status) != 0
				   : !file_id_find(path, id))
		return false;
	return !S_ISCHR(id->status.st_mode) || id->status.st_rdev != NULL_DEVICE;
}

bool paths_same(const char *left, const char *right)
{
	struct file_id one;
	struct file_id other;
	return identify(left, &one) && identify(right, &other) && file_id_is_same(&one, &other);
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
	struct stat input;
	for (size_t i = 0; i < count; i++) {
		if (stat(inputs[i], &input) == 0 && S_ISREG(input.st_mode) &&
		    paths_same(output, inputs[i]))
			return error_set(error, ERROR_USAGE,
					 "'%.160s' is read, so that it cannot be the output, too",
					 inputs[i]);
	}
	return 0;
}
