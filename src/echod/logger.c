#include "echod/logger.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/json_text.h"
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

// A pipe takes this many bytes as a whole (PIPE_BUF).
#define LOG_LINE_SIZE 4096

static size_t format_text(const struct echod_log_entry *entry, const char *time, const char *level,
			  char line[static LOG_LINE_SIZE])
{
	return (size_t)snprintf(line, LOG_LINE_SIZE, "%s %-7s %.2000s\n", time, level,
				entry->message);
}

// Returns 0 when there is no memory or no room, because part of an object is no JSON.
static size_t format_json(const struct echod_log_entry *entry, const char *time, const char *level,
			  char line[static LOG_LINE_SIZE])
{
	json_t *object = json_object();
	json_put(&object, "time", json_text(time));
	json_put(&object, "level", json_text(level));
	json_put(&object, "event", json_text(entry->event));
	json_put(&object, "message", json_text(entry->message));
	for (size_t i = 0; i < entry->field_count; i++) {
		const struct echod_log_field *field = &entry->fields[i];
		json_put(&object, field->name,
			 field->text ? json_text(field->text)
				     : json_integer((json_int_t)field->number));
	}
	size_t length =
		json_dumpb(object, line, LOG_LINE_SIZE - 1, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(object);
	if (length == 0 || length > LOG_LINE_SIZE - 1)
		return 0;
	line[length] = '\n';
	return length + 1;
}

int logger_write(void *context, const struct echod_log_entry *entry)
{
	const struct logger *logger = context;
	const char *level = log_level_name(entry->level);
	char time[40];
	char line[LOG_LINE_SIZE];
	format_time(time, sizeof(time));
	size_t length = logger->format == LOGGER_JSON ? format_json(entry, time, level, line)
						      : format_text(entry, time, level, line);
	return length > 0 && output_try(&logger->output, line, length) == (ssize_t)length;
}
