// A client of the control socket: one request, one reply, one connection. Any thread.
#ifndef ECHOD_CONTROL_CLIENT_H
#define ECHOD_CONTROL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct client_reply {
	int status;    // 200: done; docs/control-protocol.md lists the others
	size_t length; // of the body
	char *body;    // ends in a NUL that `length` does not count; the caller's until
		       // client_reply_free
};

// Sends `request`, one line without its newline, to the server whose control socket is at `path`,
// and waits for the reply. `timeout` ns limits the wait for a whole reply, or for each piece of a
// reply in pieces (CLOCK_NEVER: no limit). Returns 0 with `reply` filled, which may have any
// status. Returns -1 if no server is there, the answer is late, or it does not follow the protocol.
int client_ask(const char *path, const char *request, uint64_t timeout, struct client_reply *reply,
	       struct echod_error *error);

void client_reply_free(struct client_reply *reply);

#endif
