// The files of a command line. Main thread.
#include "paths.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file_id.h"

#define NULL_DEVICE makedev(1, 3)
#define LABEL_MOST 64 // bytes of the path
#define EXTENSION ".json"

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

// Whether another path ends in these components, or is no more than that.
static bool is_shared(const char *const *paths, size_t count, const char *path,
		      const char *components)
{
	for (size_t i = 0; i < count; i++) {
		const char *other = paths[i];
		size_t before = strlen(other) - strlen(components);
		if (strcmp(other, path) != 0 &&
		    (strcmp(other, components) == 0 ||
		     (paths_end_in(other, components) && other[before - 1] == '/')))
			return true;
	}
	return false;
}

// The fewest components at the end of `path` with which no other path ends; else all of it.
static const char *find_components(const char *const *paths, size_t count, const char *path)
{
	const char *at = path + strlen(path);
	do {
		at -= at > path;
		while (at > path && at[-1] != '/')
			at--;
	} while (at > path && is_shared(paths, count, path, at));
	return at;
}

static void make_name(const char *text, size_t length, char *name)
{
	snprintf(name, PATHS_LABEL, "%.*s", (int)(length < LABEL_MOST ? length : LABEL_MOST), text);
	for (char *at = name; *at; at++) {
		if (!isascii(*at) || !isprint(*at) || *at == '#')
			*at = '?';
	}
}

// A name with a number equals none without, as those have no `#` of their own.
static void number_equals(size_t count, char (*names)[PATHS_LABEL])
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		bool first = true;
		for (size_t j = i + 1; j < count; j++) {
			if (strcmp(names[j], names[i]) != 0)
				continue;
			snprintf(names[j] + length, PATHS_LABEL - length, " #%zu", j + 1);
			first = false;
		}
		if (!first)
			snprintf(names[i] + length, PATHS_LABEL - length, " #%zu", i + 1);
	}
}

void paths_label(const char *const *paths, size_t count, char (*names)[PATHS_LABEL])
{
	bool same_extension = true;
	for (size_t i = 0; i < count; i++)
		same_extension = same_extension && paths_end_in(paths[i], EXTENSION);
	for (size_t i = 0; i < count; i++) {
		const char *text = find_components(paths, count, paths[i]);
		make_name(text, strlen(text) - (same_extension ? strlen(EXTENSION) : 0), names[i]);
	}
	number_equals(count, names);
}
