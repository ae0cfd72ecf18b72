#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/setting.h"

static const char *const level_names[] = {LOG_LEVEL_LIST};

_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVELS, "a level has no name");

const char *log_level_name(enum echod_log_level level)
{
	ensure((int)level >= 0 && level < LOG_LEVELS);
	return level_names[level];
}

int log_level_parse(const char *text, enum echod_log_level *level, struct echod_error *error)
{
	static const struct setting row = {
		.argument = LOG_LEVEL_NAMES, .kind = SETTING_CHOICE, .size = sizeof(*level)};
	return setting_take(&row, level, text, error);
}

char *log_escape(const char *text, size_t length, char *buffer, size_t size)
{
	ensure(size > 0);
	size_t used = 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= 0x20 && c <= 0x7e && c != '\\';
		if (used + (plain ? 1 : 4) >= size)
			break;
		if (plain)
			buffer[used++] = (char)c;
		else
			used += (size_t)snprintf(buffer + used, size - used, "\\x%02X", c);
	}
	buffer[used] = '\0';
	return buffer;
}

// Our own messages contain no backslash, but they may quote the output of log_escape. So a
// backslash stays as it is here.
static void make_printable(char *line)
{
	for (; *line; line++) {
		if (*line < 0x20 || *line > 0x7e)
			*line = '?';
	}
}

void log_write(struct log *log, enum echod_log_level level, const char *event,
	       const struct echod_log_field *fields, const char *format, ...)
{
	ensure(event);
	if (!log->sink || !log_wants(log, level))
		return;
	char message[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	make_printable(message);
	struct echod_log_entry entry = {
		.level = level, .event = event, .message = message, .fields = fields};
	while (fields && fields[entry.field_count].name)
		entry.field_count++;
	ensure(entry.field_count <= LOG_MAX_FIELDS);
	if (!log->sink(log->context, &entry))
		atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
}

bool log_limit_pass(struct log *log, struct log_limit *limit, uint64_t *suppressed)
{
	uint64_t now = clock_now();
	if (now < limit->next) {
		limit->suppressed++;
		atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
		return false;
	}
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	limit->next = now + NS_PER_S;
	return true;
}
