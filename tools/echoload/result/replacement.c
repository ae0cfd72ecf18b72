// A file that is written at the end and as a whole. One thread each.
#include "replacement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int check_access(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

// Whether a file could be made there.
static int check_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return check_access(".", W_OK | X_OK);
	char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!folder)
		return -1;
	int status = check_access(folder, W_OK | X_OK);
	free(folder);
	return status;
}

int replacement_check(const char *path)
{
	struct stat status;
	if (is_stdout(path))
		return 0;
	if (stat(path, &status) != 0)
		return errno == ENOENT ? check_folder(path) : -1;
	if (S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	return check_access(path, W_OK);
}

// Makes the temporary file, with the permissions of the one that it is to replace. Returns its
// descriptor, or -1: then `path` itself is to be written.
static int make_temporary(struct replacement *replacement, const char *path)
{
	struct stat old;
	bool exists = lstat(path, &old) == 0;
	if ((exists && !S_ISREG(old.st_mode)) ||
	    asprintf(&replacement->temporary, "%s.%d.tmp", path, getpid()) < 0) {
		replacement->temporary = NULL;
		return -1;
	}
	int fd = open(replacement->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0 && (!exists || fchmod(fd, old.st_mode & 0777) == 0))
		return fd;
	if (fd >= 0) {
		close(fd);
		unlink(replacement->temporary);
	}
	free(replacement->temporary);
	replacement->temporary = NULL;
	return -1;
}

int replacement_open(struct replacement *replacement, const char *path)
{
	*replacement = (struct replacement){.path = path};
	if (is_stdout(path)) {
		replacement->file = stdout;
		return 0;
	}
	int fd = make_temporary(replacement, path);
	replacement->file = fd < 0 ? fopen(path, "we") : fdopen(fd, "w");
	if (replacement->file)
		return 0;
	int why = errno;
	if (fd >= 0) {
		close(fd);
		unlink(replacement->temporary);
		free(replacement->temporary);
	}
	errno = why;
	return -1;
}

int replacement_close(struct replacement *replacement, bool complete)
{
	FILE *file = replacement->file;
	bool written = complete && !ferror(file);
	int why = errno;
	if ((file == stdout ? fflush(file) : fclose(file)) != 0 && written) {
		written = false;
		why = errno;
	}
	char *temporary = replacement->temporary;
	if (temporary && written && rename(temporary, replacement->path) != 0) {
		written = false;
		why = errno;
	}
	if (temporary && !written)
		unlink(temporary);
	free(temporary);
	errno = why;
	return written ? 0 : -1;
}
