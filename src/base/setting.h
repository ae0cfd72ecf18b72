// A value that people give by name: a setting of a server, an option of a program. One row states
// its valid values, its default and its destination. The parser, --help, the manual pages and
// docs/options.md are derived from the row. Any thread.
#ifndef ECHOD_BASE_SETTING_H
#define ECHOD_BASE_SETTING_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum setting_kind {
	SETTING_TEXT,		 // the value as it was given
	SETTING_SWITCH,		 // NULL, as on the command line, or yes: `least`; no: the other
	SETTING_COUNT,		 // a whole number from `least` to `most`
	SETTING_SIZE,		 // bytes, from `least` to `most`
	SETTING_RATE,		 // a second, more than 0; the field is a double
	SETTING_DURATION,	 // ns, from `least`, up to `most` unless that is 0
	SETTING_TIMEOUT,	 // ns, more than 0, or CLOCK_NEVER
	SETTING_TIMEOUT_OR_ZERO, // ns, or CLOCK_NEVER
	SETTING_CHOICE,		 // the index, from 0, of the word in `argument`, a list such as a|b
};

struct setting {
	char letter;	      // of the short option; 0: there is none
	const char *name;     // of the long option, without the dashes
	const char *argument; // the value's name in --help; NULL: takes no value
	const char *help;     // no newline; setting_help adds limits and default; NULL: unlisted
	enum setting_kind kind;
	size_t offset, size;  // of the field, a pointer or an integer; size 0: there is none
	uint64_t least, most; // --help shows them if `most` is below UNITS_EXACT_MAX
	const char *preset;   // the default as a user writes it; NULL: none, or it is in `help`

	// Takes the value when there is no field. NULL: the code that owns the row takes it.
	int (*take)(void *context, const char *value, struct echod_error *error);
};
#define SETTING_FIELD(type, field) \
	.offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)

// Stores `value` in the setting's field of `context`, or passes it to the setting's function; one
// of the two must exist. Returns 0, or -1 with `error`; then nothing has changed.
int setting_take(const struct setting *setting, void *context, const char *value,
		 struct echod_error *error);

// The setting called `name` of `count` settings, or NULL.
const struct setting *setting_find(const struct setting *settings, size_t count, const char *name);

// Writes `help` with the limits and the default, such as `worker threads (1 to 64; default 4)`.
// Returns `text`.
char *setting_help(const struct setting *setting, char *text, size_t size);

#endif
