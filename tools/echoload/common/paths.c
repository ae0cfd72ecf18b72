#include "paths.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file_id.h"

#define NULL_DEVICE makedev(1, 3)
#define EXTENSION ".json"

// Returns false if the file cannot be examined, or keeps nothing.
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
	struct file_id one, other;
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

int inputs_take(void *context, const char *name, const char *value, struct echod_error *error)
{
	(void)name;
	(void)value;
	(void)error;
	struct inputs *inputs = context;
	inputs->paths--;
	inputs->count++;
	return 0;
}

int inputs_fail(const struct inputs *inputs, size_t index, const struct echod_error *why,
		struct echod_error *error)
{
	return error_set(error, why->kind, "'%.160s': %.200s", inputs->paths[index], why->message);
}

int inputs_check(const struct inputs *inputs, struct echod_error *error)
{
	struct stat input;
	for (size_t i = 0; i < inputs->count; i++) {
		if (stat(inputs->paths[i], &input) == 0 && S_ISREG(input.st_mode) &&
		    paths_same(inputs->output, inputs->paths[i]))
			return error_set(error, ECHOD_ERROR_USAGE,
					 "'%.160s' is read, so that it cannot be the output, too",
					 inputs->paths[i]);
	}
	return 0;
}

// The length of the folders that all paths begin with.
static size_t shared_folders(const char *const *paths, size_t count)
{
	size_t shared = 0;
	for (size_t at = 0; paths[0][at]; at++) {
		for (size_t i = 1; i < count; i++) {
			if (paths[i][at] != paths[0][at])
				return shared;
		}
		if (paths[0][at] == '/')
			shared = at + 1;
	}
	return shared;
}

void paths_label(const char *const *paths, size_t count, char (*names)[PATHS_LABEL])
{
	size_t shared = shared_folders(paths, count);
	bool same_extension = true;
	for (size_t i = 0; i < count; i++)
		same_extension = same_extension && paths_end_in(paths[i], EXTENSION);
	for (size_t i = 0; i < count; i++) {
		const char *text = paths[i] + shared;
		size_t length = strlen(text) - (same_extension ? strlen(EXTENSION) : 0);
		size_t skipped = length < PATHS_LABEL ? 0 : length - (PATHS_LABEL - 1);
		snprintf(names[i], PATHS_LABEL, "%.*s", (int)(length - skipped), text + skipped);
		for (char *at = names[i]; *at; at++) {
			if (!isascii(*at) || !isprint(*at))
				*at = '?';
		}
	}
}
