// An error on its way up: what failed, on what, why, and what the user can do about it. Layers
// below the programs return it and print nothing. A struct error belongs to the caller; any thread.
#ifndef ECHOD_BASE_ERROR_H
#define ECHOD_BASE_ERROR_H

enum error_kind {
	ERROR_NONE,
	ERROR_USAGE,  // an option, address or value that is invalid: exit status 2
	ERROR_SYSTEM, // the system refused: exit status 3
};

struct error {
	enum error_kind kind;
	char message[400]; // one line, no newline at its end
};

// Fills `error` (which may be NULL) and returns -1, so that a function can `return error_set(…)`.
// Names may bring any bytes into the message: it is made a line.
int error_set(struct error *error, enum error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Makes `text` one line: its control characters become `?`.
void error_make_line(char *text);

// The text for `number`, an errno value. Thread-safe, the storage is static.
const char *error_text(int number);

#endif
