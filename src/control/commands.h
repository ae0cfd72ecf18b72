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

// A request, split into words.
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

// The context of a command.
struct command_context {
	struct server *server;
	const struct rates *rates;
	struct snapshot *snapshot; // room for one
	struct list *list;	   // a command may begin a list here
};

// Splits `line` into words in place: `length` bytes without the newline, and room for one byte
// after them. A carriage return at its end is ignored.
enum request_result request_parse(char *line, size_t length, struct request *request);

// Carries out the request in `line`, which it splits; see request_parse for its length and room.
// Writes the body of the reply to `out`. Of a list it writes only the beginning; list_write writes
// the rest.
enum status command_run(const struct command_context *context, char *line, size_t length,
			FILE *out);

#endif
