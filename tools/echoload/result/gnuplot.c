// gnuplot as a child process. Its standard streams are files in memory, so neither side ever waits
// for the other to read. Main thread.
#include "gnuplot.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

static int fail_system(struct error *error, int number)
{
	return error_set(error, ERROR_SYSTEM, "cannot run gnuplot: %s", error_text(number));
}

FILE *gnuplot_open(struct error *error)
{
	int fd = memfd_create("gnuplot", MFD_CLOEXEC);
	FILE *file = fd >= 0 ? fdopen(fd, "w+e") : NULL;
	if (!file) {
		fail_system(error, errno);
		if (fd >= 0)
			close(fd);
	}
	return file;
}

// Returns 0 or an errno value.
static int spawn(pid_t *child, FILE *const *streams)
{
	// The user's own settings are left out (-d).
	static char *const arguments[] = {"gnuplot", "-d", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all;
	int number = posix_spawn_file_actions_init(&actions);
	if (number != 0)
		return number;
	// Signals that we ignore are not its affair.
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	for (int i = 0; i < 3 && number == 0; i++)
		number = posix_spawn_file_actions_adddup2(&actions, fileno(streams[i]), i);
	if (number == 0)
		number = posix_spawnp(child, "gnuplot", &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return number;
}

// All that a stream holds, or NULL.
static char *read_all(FILE *stream)
{
	if (fseek(stream, 0, SEEK_END) != 0)
		return NULL;
	long size = ftell(stream);
	char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
	if (!text)
		return NULL;
	rewind(stream);
	text[fread(text, 1, (size_t)size, stream)] = '\0';
	return text;
}

// The last line that is not empty.
static char *last_line(char *text)
{
	size_t length = strlen(text);
	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	char *newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

// What the child has left behind.
static char *collect(int status, FILE *const *streams, struct error *error)
{
	char *picture = read_all(streams[1]);
	char *complaint = read_all(streams[2]);
	int drawn = WIFEXITED(status) && WEXITSTATUS(status) == 0 && picture && *picture;
	if (!drawn) {
		const char *why = complaint ? last_line(complaint) : "";
		error_set(error, ERROR_SYSTEM, "gnuplot could not draw: %.200s",
			  *why ? why : "it did not say why");
		free(picture);
		picture = NULL;
	}
	free(complaint);
	return picture;
}

static char *run(FILE *const *streams, struct error *error)
{
	pid_t child;
	rewind(streams[0]); // writes what is left; the child reads from the beginning
	int number = spawn(&child, streams);
	if (number == ENOENT) {
		error_set(error, ERROR_SYSTEM,
			  "there is no gnuplot to draw with: install the package gnuplot-nox, or "
			  "put gnuplot into PATH");
		return NULL;
	}
	if (number != 0) {
		fail_system(error, number);
		return NULL;
	}
	int status;
	while (waitpid(child, &status, 0) < 0)
		ensure(errno == EINTR);
	return collect(status, streams, error);
}

char *gnuplot_run(FILE *script, struct error *error)
{
	FILE *streams[3] = {script, gnuplot_open(error), gnuplot_open(error)};
	char *picture = streams[1] && streams[2] ? run(streams, error) : NULL;
	for (int i = 0; i < 3; i++) {
		if (streams[i])
			fclose(streams[i]);
	}
	return picture;
}
