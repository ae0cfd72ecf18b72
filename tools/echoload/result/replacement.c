// A file that is written at the end and as a whole. One thread each.
#include "replacement.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

int replacement_check(const char *path)
{
	struct stat status;
	char folder[PATH_MAX];
	if (is_stdout(path))
		return 0;
	bool exists = stat(path, &status) == 0;
	if (!exists && errno != ENOENT)
		return -1;
	if (exists && S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	if (exists)
		return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
	snprintf(folder, sizeof(folder), "%s", path); // a longer one is not ENOENT
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	return faccessat(AT_FDCWD, slash ? folder : ".", W_OK | X_OK, AT_EACCESS);
}

int replacement_open(struct replacement *replacement, const char *path)
{
	*replacement = (struct replacement){.path = path};
	replacement->file = open_memstream(&replacement->text, &replacement->length);
	return replacement->file ? 0 : -1;
}

// Writes all to the file and closes it.
static int fill(FILE *file, const struct replacement *replacement)
{
	bool whole = fwrite(replacement->text, 1, replacement->length, file) == replacement->length;
	int why = errno;
	if (fclose(file) != 0)
		return -1;
	errno = why;
	return whole ? 0 : -1;
}

// Fills a file beside the path and puts it in its place. Returns 0 or -1; or 1: it cannot be
// replaced, as a device, a symbolic link, a file in a folder that nothing can be added to.
static int replace(const struct replacement *replacement)
{
	const char *path = replacement->path;
	struct stat old;
	char temporary[PATH_MAX];
	bool exists = lstat(path, &old) == 0;
	int length = snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
	if ((exists && !S_ISREG(old.st_mode)) || length >= (int)sizeof(temporary))
		return 1;
	FILE *file = fopen(temporary, "wxe");
	if (!file)
		return 1;
	if (exists) // with the permissions of the one that it replaces
		(void)fchmod(fileno(file), old.st_mode & 0777);
	if (fill(file, replacement) == 0 && rename(temporary, path) == 0)
		return 0;
	int why = errno;
	unlink(temporary);
	errno = why;
	return -1;
}

static int put(const struct replacement *replacement)
{
	if (is_stdout(replacement->path)) {
		(void)fwrite(replacement->text, 1, replacement->length, stdout);
		return fflush(stdout);
	}
	signals_hold(true); // nobody is to find the temporary file
	int status = replace(replacement);
	int why = errno;
	signals_hold(false);
	errno = why;
	if (status <= 0)
		return status;
	FILE *file = output_fopen(replacement->path);
	return file ? fill(file, replacement) : -1;
}

int replacement_close(struct replacement *replacement, bool complete)
{
	int status = fclose(replacement->file);
	if (status == 0 && complete)
		status = put(replacement);
	else
		errno = ENOMEM; // nothing else fails in memory
	int why = errno;
	free(replacement->text);
	errno = why;
	return complete ? status : -1;
}
