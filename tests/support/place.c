#include "place.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>

#include "test.h"

static char directory[32];

static const char *place(const char *scheme, const char *name) {
	if (!directory[0]) {
		strcpy(directory, "/tmp/echod.XXXXXX");
		assert_non_null(mkdtemp(directory));
	}
	return test_text("%s%s/%s", scheme, directory, name);
}

const char *place_path(const char *name) { return place("", name); }

const char *place_address(const char *name) { return place("unix:", name); }

const char *place_file(const char *name, const void *bytes, size_t size) {
	const char *path = place_path(name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return path;
}

const char *place_read(const char *path) {
	FILE *file = fopen(path, "re");
	if (!file)
		fail_msg("there is no %s", path);
	char *text = test_keep(calloc(1, (1 << 20) + 1));
	assert_true(fread(text, 1, 1 << 20, file) > 0);
	fclose(file);
	return text;
}

size_t place_count(const char *part) {
	size_t count = 0;
	DIR *entries = opendir(directory);
	assert_non_null(entries);
	for (const struct dirent *entry; (entry = readdir(entries));)
		count += entry->d_name[0] != '.' && strstr(entry->d_name, part);
	closedir(entries);
	return count;
}

int place_exists(const char *path) {
	struct stat status;
	return lstat(path, &status) == 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

// Last, when no process writes into it any more.
static void remove_place(void) {
	if (!directory[0])
		return;
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	directory[0] = '\0';
}
CLEANUP(remove_place, 2)
