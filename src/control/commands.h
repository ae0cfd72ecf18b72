// The commands of the control protocol. The stats thread only.
#ifndef ECHOD_CONTROL_COMMANDS_H
#define ECHOD_CONTROL_COMMANDS_H

#include <stddef.h>
#include <stdio.h>

#include "control/lists.h"
#include "control/protocol.h"
#include "server/server.h"
#include "stats/rates.h"

#define REQUEST_MAX_WORDS 4

// A request, taken apart into words.
struct request {
	size_t count;
	const char *words[REQUEST_MAX_WORDS]; // into the line
};

enum request_result {
	REQUEST_OK,
	REQUEST_EMPTY,
	REQUEST_TOO_MANY_WORDS,
	REQUEST_NOT_TEXT, // it holds a NUL byte
};

// What commands work with.
struct command_context {
	struct server *server;
	const struct rates *rates;
	struct snapshot *snapshot; // room for one
	struct list *list;	   // where a command begins a list
};

// Takes `line` apart where it stands: `length` bytes without the newline, and room for one byte
// behind them. A carriage return at its end does not count.
enum request_result request_parse(char *line, size_t length, struct request *request);

// Carries out the request in `line` (which it takes apart; see request_parse for its length and
// room) and writes the body of the reply to `out`; of a list the beginning: list_write has the
// rest.
enum status command_run(const struct command_context *context, char *line, size_t length,
			FILE *out);

#endif
