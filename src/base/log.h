// The log: levels, and a sink that the program provides. The library below never writes by itself.
// Any thread may log; no lock is held around the sink.
#ifndef ECHOD_BASE_LOG_H
#define ECHOD_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echod/echod.h"

#define LOG_LEVELS (ECHOD_LOG_DEBUG + 1)
#define LOG_LEVEL_LIST "error", "warning", "info", "debug" // as enum echod_log_level
#define LOG_LEVEL_NAMES LOG_JOIN(LOG_LEVEL_LIST)	   // "error|warning|…"
#define LOG_JOIN(...) LOG_JOIN_FOUR(__VA_ARGS__)
#define LOG_JOIN_FOUR(a, b, c, d) a "|" b "|" c "|" d

// A list of fields, each as {"peer", .text = peer} or {"workers", .number = 4}.
#define LOG_FIELDS(...) ((const struct echod_log_field[]){__VA_ARGS__, {.name = NULL}})
#define LOG_MAX_FIELDS 8

struct log {
	_Atomic int level; // written by the stats thread (`log LEVEL`), read by all; relaxed: it
			   // guards no other data
	echod_log_entry_function *sink; // NULL: lines go nowhere
	void *context;
	_Atomic uint64_t dropped; // lines that the sink or a limit dropped
};

// Formats a line and passes it to the sink when `level` is enabled. `fields`: LOG_FIELDS,
// LOG_MAX_FIELDS of them at most, or NULL. Bytes of the message outside printable ASCII become `?`.
void log_write(struct log *log, enum echod_log_level level, const char *event,
	       const struct echod_log_field *fields, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static inline bool log_wants(const struct log *log, enum echod_log_level level)
{
	return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

// Limits lines of one kind to one a second. Each kind has a struct, owned by one thread, all zero
// at first.
struct log_limit {
	uint64_t next;	     // when the next line may pass (clock_now)
	uint64_t suppressed; // since the last one that passed
};

// Whether a line may pass now. If so, `suppressed` says how many were suppressed since the last
// one.
bool log_limit_pass(struct log *log, struct log_limit *limit, uint64_t *suppressed);

// The plural's ending for `count` things: `1 connection`, `2 connections`.
static inline const char *log_plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

const char *log_level_name(enum echod_log_level level);
int log_level_parse(const char *text, enum echod_log_level *level, struct echod_error *error);

// Copies `text` (`length` bytes) into `buffer` as printable ASCII. All other bytes and the
// backslash become \xNN. The copy ends where `buffer` ends. Returns `buffer`.
char *log_escape(const char *text, size_t length, char *buffer, size_t size);

#endif
