// Names for several results. Any thread.
#include "labels.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "echoload/common/paths.h"

#define MOST 64 // bytes of the path
#define EXTENSION ".json"

// Whether these are the last components of the path, or all.
static bool has_components(const char *path, const char *components)
{
	size_t before = strlen(path) - strlen(components);
	return strcmp(path, components) == 0 ||
	       (paths_end_in(path, components) && path[before - 1] == '/');
}

static bool is_shared(const char *const *paths, size_t count, const char *path,
		      const char *components)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(paths[i], path) != 0 && has_components(paths[i], components))
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

static bool is_harmless(char byte)
{
	return isascii(byte) && (isalnum(byte) || strchr(" ,._+:=()-/", byte));
}

static void make_name(const char *text, size_t length, char *name)
{
	snprintf(name, LABELS_SIZE, "%.*s", (int)(length < MOST ? length : MOST), text);
	for (char *at = name; *at; at++) {
		if (!is_harmless(*at))
			*at = '?';
	}
}

// A name with a number equals none without: `#` is not harmless.
static void number_equals(size_t count, char (*names)[LABELS_SIZE])
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		bool first = true;
		for (size_t j = i + 1; j < count; j++) {
			if (strcmp(names[j], names[i]) != 0)
				continue;
			snprintf(names[j] + length, LABELS_SIZE - length, " #%zu", j + 1);
			first = false;
		}
		if (!first)
			snprintf(names[i] + length, LABELS_SIZE - length, " #%zu", i + 1);
	}
}

void labels_make(const char *const *paths, size_t count, char (*names)[LABELS_SIZE])
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
