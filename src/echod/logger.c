// Where echod's log goes. Any thread.
#include "echod/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

// A pipe or terminal that nobody reads would block us. O_NONBLOCK on the descriptor we were given
// would change it for all who share it, such as the shell; opened anew, the file has flags of its
// own.
static int open_anew(void)
{
	struct stat status;
	if (fstat(STDERR_FILENO, &status) != 0 ||
	    !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
		return -1;
	return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void logger_open(struct logger *logger, enum logger_format format)
{
	int fd = open_anew();
	*logger = (struct logger){.fd = fd >= 0 ? fd : STDERR_FILENO, .format = format};
}

void logger_close(struct logger *logger)
{
	if (logger->fd != STDERR_FILENO)
		close(logger->fd);
	logger->fd = -1;
}

// The wall clock, in UTC to the millisecond, as RFC 3339 writes it.
static void format_time(char *text, size_t size)
{
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t length = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + length, size - length, ".%03ldZ", now.tv_nsec / 1000000);
}

// `line` is printable ASCII, so that only these two need an escape.
static void escape_json(const char *line, char *text, size_t size)
{
	size_t used = 0;
	for (; *line && used + 3 < size; line++) {
		if (*line == '"' || *line == '\\')
			text[used++] = '\\';
		text[used++] = *line;
	}
	text[used] = '\0';
}

int logger_line(void *context, enum echod_log_level level, const char *line)
{
	const struct logger *logger = context;
	const char *name = log_level_name((enum log_level)level);
	char time[40];
	char text[1400];
	char escaped[1100];
	format_time(time, sizeof(time));
	int length;
	if (logger->format == LOGGER_JSON) {
		escape_json(line, escaped, sizeof(escaped));
		length = snprintf(text, sizeof(text),
				  "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n", time,
				  name, escaped);
	} else {
		length = snprintf(text, sizeof(text), "%s %-7s %s\n", time, name, line);
	}
	// For what could not be opened anew: a socket, a terminal of another user.
	struct pollfd fd = {.fd = logger->fd, .events = POLLOUT};
	if (poll(&fd, 1, 0) <= 0)
		return 0;
	return write(logger->fd, text, (size_t)length) == length;
}
