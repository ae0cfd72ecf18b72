// An error that travels up: what failed, on what, why, and what the user can do about it. Layers
// below the programs return it and print nothing. A struct echod_error belongs to the caller; any
// thread. A program exits with 2 for ECHOD_ERROR_USAGE, and with 3 for ECHOD_ERROR_SYSTEM.
#ifndef ECHOD_BASE_ERROR_H
#define ECHOD_BASE_ERROR_H

#include "echod/echod.h"

// Fills `error` (which may be NULL) and returns -1, so that a function can `return error_set(…)`.
// Names in the message may hold any bytes, so error_make_line is applied to it.
int error_set(struct echod_error *error, enum echod_error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Makes `text` one line: its control characters become `?`.
void error_make_line(char *text);

// The text for `number`, an errno value. Thread-safe, the storage is static.
const char *error_text(int number);

#endif
