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

int replacement_open(struct replacement *replacement, const char *path)
{
	*replacement = (struct replacement){.path = path};
	replacement->file = open_memstream(&replacement->text, &replacement->length);
	return replacement->file ? 0 : -1;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t count = write(fd, text, length);
		if (count < 0 && errno != EINTR)
			return -1;
		if (count > 0) {
			text += count;
			length -= (size_t)count;
		}
	}
	return 0;
}

// Writes to what cannot be replaced: a device, a symbolic link, a file in a folder that nothing can
// be added to.
static int write_through(const struct replacement *replacement)
{
	FILE *file = output_fopen(replacement->path);
	if (!file)
		return -1;
	(void)fwrite(replacement->text, 1, replacement->length, file);
	return fclose(file);
}

// Fills the temporary file `fd` and puts it in its place.
static int move_in(const struct replacement *replacement, int fd, const char *temporary)
{
	int failed = write_all(fd, replacement->text, replacement->length);
	int why = errno;
	if (close(fd) != 0 && !failed) {
		failed = -1;
		why = errno;
	}
	if (!failed && rename(temporary, replacement->path) != 0) {
		failed = -1;
		why = errno;
	}
	if (failed)
		unlink(temporary);
	errno = why;
	return failed;
}

// Writes a file beside `path`, with the permissions of the one that it is to replace.
static int replace(const struct replacement *replacement)
{
	struct stat old;
	char temporary[PATH_MAX];
	bool exists = lstat(replacement->path, &old) == 0;
	if ((exists && !S_ISREG(old.st_mode)) ||
	    snprintf(temporary, sizeof(temporary), "%s.%d.tmp", replacement->path, getpid()) >=
		    (int)sizeof(temporary))
		return write_through(replacement);
	signals_hold(true); // nobody is to find the temporary file
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0 && exists)
		(void)fchmod(fd, old.st_mode & 0777);
	int status = fd >= 0 ? move_in(replacement, fd, temporary) : -1;
	int why = errno;
	signals_hold(false);
	if (fd < 0)
		return write_through(replacement);
	errno = why;
	return status;
}

static int put(const struct replacement *replacement)
{
	if (!is_stdout(replacement->path))
		return replace(replacement);
	(void)fwrite(replacement->text, 1, replacement->length, stdout);
	return fflush(stdout);
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
	return status == 0 && complete ? 0 : -1;
}
