#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
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

// With the reason from errno.
static int fail(const char *path, struct error *error)
{
	if (is_stdout(path))
		return error_set(error, ERROR_SYSTEM, "cannot write to standard output: %s",
				 error_text(errno));
	return error_set(error, ERROR_SYSTEM, "cannot write '%.200s': %s", path, error_text(errno));
}

int atomic_file_check(const char *path, struct error *error)
{
	struct stat status;
	char folder[PATH_MAX];
	if (is_stdout(path))
		return 0;
	bool exists = stat(path, &status) == 0;
	if (!exists && errno != ENOENT)
		return fail(path, error);
	if (exists && S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		return fail(path, error);
	}
	snprintf(folder, sizeof(folder), "%s", path); // a longer one is not ENOENT
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	bool writable =
		exists ? faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0
		       : faccessat(AT_FDCWD, slash ? folder : ".", W_OK | X_OK, AT_EACCESS) == 0;
	return writable ? 0 : fail(path, error);
}

// Writes all to the file and closes it.
static int put(FILE *file, const char *text, size_t length)
{
	bool whole = fwrite(text, 1, length, file) == length;
	int why = errno;
	if (fclose(file) != 0)
		return -1;
	errno = why;
	return whole ? 0 : -1;
}

// Fills a file beside the path and puts it in its place. Returns 0 or -1; or 1: it cannot be
// replaced, as a device, a symbolic link, a file in a folder that nothing can be added to.
static int replace(const char *path, const char *text, size_t length)
{
	struct stat old;
	char temporary[PATH_MAX];
	bool exists = lstat(path, &old) == 0;
	int name_length = snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
	if ((exists && !S_ISREG(old.st_mode)) || name_length >= (int)sizeof(temporary))
		return 1;
	FILE *file = fopen(temporary, "wxe");
	if (!file)
		return 1;
	if (exists) // with the permissions of the one that it replaces
		(void)fchmod(fileno(file), old.st_mode & 0777);
	if (put(file, text, length) == 0 && rename(temporary, path) == 0)
		return 0;
	int why = errno;
	unlink(temporary);
	errno = why;
	return -1;
}

static int write_text(const char *path, const char *text, size_t length)
{
	if (is_stdout(path)) {
		(void)fwrite(text, 1, length, stdout);
		return fflush(stdout);
	}
	signals_hold(true); // nobody is to find the temporary file
	int status = replace(path, text, length);
	int why = errno;
	signals_hold(false);
	errno = why;
	if (status <= 0)
		return status;
	FILE *file = output_fopen(path);
	return file ? put(file, text, length) : -1;
}

int atomic_file_write(const char *path, int (*fill)(FILE *file, const void *context),
		      const void *context, struct error *error)
{
	char *text = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&text, &length);
	bool complete = file && fill(file, context) == 0;
	if (file && fclose(file) != 0)
		complete = false;
	errno = ENOMEM; // nothing else fails in memory
	int status = complete && write_text(path, text, length) == 0 ? 0 : fail(path, error);
	free(text);
	return status;
}
