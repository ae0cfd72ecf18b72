// The commands of the control protocol. The stats thread only.
#ifndef ECHOD_CONTROL_COMMANDS_H
#define ECHOD_CONTROL_COMMANDS_H

#include <stddef.h>
#include <stdio.h>

#include "control/lists.h"
#include "server/server.h"
#include "stats/rates.h"

// As in HTTP, and as docs/control-protocol.md lists them.
enum status {
	STATUS_OK = 200,
	STATUS_BAD_REQUEST = 400,
	STATUS_FORBIDDEN = 403,
	STATUS_TIMED_OUT = 408,
	STATUS_TOO_LONG = 413,
	STATUS_FAILED = 500,
	STATUS_BUSY = 503,
};

// What commands work with.
struct command_context {
	struct server *server;
	const struct rates *rates;
	struct snapshot *snapshot; // room for one
	struct list *list;	   // where a command begins a list
};

// Carries out the request in `line` (which it takes apart; see request_parse for its length and
// room) and writes the body of the reply to `out`; of a list the beginning: list_write has the
// rest.
enum status command_run(const struct command_context *context, char *line, size_t length,
			FILE *out);

#endif
