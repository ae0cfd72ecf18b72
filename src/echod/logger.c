// Where echod's log goes. Any thread.
#include "echod/logger.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

void logger_open(struct logger *logger, enum logger_format format)
{
	output_open(&logger->output, STDERR_FILENO);
	logger->format = format;
}

void logger_close(struct logger *logger)
{
	output_close(&logger->output);
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
	return output_try(&logger->output, text, (size_t)length) == length;
}
