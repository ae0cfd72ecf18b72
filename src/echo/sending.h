// The sending half of the echo: send all of it, however long the peer takes, as long as it takes
// any.
#ifndef ECHOD_ECHO_SENDING_H
#define ECHOD_ECHO_SENDING_H

#include "echo/turn.h"

enum sending {
	SENDING_DONE,
	SENDING_STUCK, // the peer does not read now: a part of it went
	SENDING_OVER,  // the connection is to be closed for `*reason`
};

// What is to be sent, and how much of it was.
struct piece {
	const char *bytes;
	size_t length;
	bool peeked; // it is still in the kernel: does not wait, and leaves it to the caller to
		     // count what was sent
	size_t sent;
};

// Sends `piece`. Waits for the peer while worker_may_wait says so, for the patience at most.
enum sending sending_all(struct conn *conn, const struct echo *echo, struct worker *worker,
			 struct piece *piece, enum close_reason *reason);

void sending_count(struct conn *conn, struct worker *worker, size_t count);

// What an error of recv or send, other than "not now", says about the connection.
enum close_reason sending_reason(int number);

#endif
