// Writes echod's log to standard error, as text or JSON, one line for each event. Any thread.
#ifndef ECHOD_ECHOD_LOGGER_H
#define ECHOD_ECHOD_LOGGER_H

#include <stdbool.h>

#include "base/output.h"
#include "echod/echod.h"

enum logger_format { LOGGER_TEXT, LOGGER_JSON };

struct logger {
	struct output output; // standard error
	enum logger_format format;
};

void logger_open(struct logger *logger, enum logger_format format);
void logger_close(struct logger *logger);

// An echod_log_entry_function; `context` is a struct logger. Never waits: it drops a line that
// standard error does not take at once. It writes a line with one write(2), so that lines of
// several threads do not mix.
int logger_write(void *context, const struct echod_log_entry *entry);

#endif
