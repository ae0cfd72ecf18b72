#include "atomic_file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"
#include "base/signals.h"

static bool is_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int fail(const char *path, int why, struct echod_error *error)
{
	if (is_stdout(path))
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot write to standard output: %s",
				 error_text(why));
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot write '%.200s': %s", path,
			 error_text(why));
}

int atomic_file_check(const char *path, struct echod_error *error)
{
	struct stat status;
	if (is_stdout(path))
		return 0;
	int why = eaccess(path, W_OK) == 0 ? 0 : errno;
	if (why == 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		why = EISDIR;
	if (why == ENOENT) { // it will be made in that folder
		const char *slash = strrchr(path, '/');
		char folder[PATH_MAX];
		snprintf(folder, sizeof(folder), "%.*s.", slash ? (int)(slash + 1 - path) : 0,
			 path);
		why = eaccess(folder, W_OK | X_OK) == 0 ? 0 : errno;
	}
	return why ? fail(path, why, error) : 0;
}

// Fills the file and closes it; from memory, so that the reason of a failed write is known. Returns
// 0 or an errno value, as those below do.
static int put(FILE *file, atomic_file_fill *fill, const void *context)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);
	bool filled = memory && fill(memory, context) == 0;
	int why = memory && fclose(memory) == 0 && filled ? 0 : ENOMEM;
	if (why == 0 && fwrite(text, 1, length, file) != length)
		why = errno;
	free(text);
	bool closed = (file == stdout ? fflush(file) : fclose(file)) == 0;
	return why || closed ? why : errno;
}

// Fills a file beside the path and renames it. Returns -1 if that is impossible: for a device, a
// symbolic link, a file in a folder that nothing can be added to.
static int replace(const char *path, atomic_file_fill *fill, const void *context)
{
	struct stat old;
	char temporary[PATH_MAX];
	bool exists = lstat(path, &old) == 0;
	int length = snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
	if ((exists && !S_ISREG(old.st_mode)) || length >= (int)sizeof(temporary))
		return -1;
	FILE *file = fopen(temporary, "wxe");
	if (!file)
		return -1;
	if (exists) // with the permissions of the one that it replaces
		(void)fchmod(fileno(file), old.st_mode & 0777);
	int why = put(file, fill, context);
	if (why == 0 && rename(temporary, path) != 0)
		why = errno;
	if (why)
		unlink(temporary);
	return why;
}

int atomic_file_write(const char *path, atomic_file_fill *fill, const void *context,
		      struct echod_error *error)
{
	int why = -1;
	if (!is_stdout(path)) {
		signals_hold(true); // so that no temporary file stays behind
		why = replace(path, fill, context);
		signals_hold(false);
	}
	if (why < 0) {
		FILE *file = is_stdout(path) ? stdout : output_fopen(path);
		why = file ? put(file, fill, context) : errno;
	}
	return why ? fail(path, why, error) : 0;
}
