// One message out and its echo back, with a time limit. Main thread only.
#ifndef ECHOCAT_EXCHANGE_H
#define ECHOCAT_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "peer.h"

enum exchange_end {
	EXCHANGE_COMPLETE, // as many bytes came back as were sent, or one more: compare them
	EXCHANGE_BROKEN,   // the connection ended first, see peer_end_text
	EXCHANGE_TIMED_OUT,
	EXCHANGE_INTERRUPTED,
};

struct exchange {
	const char *message;
	size_t length;
	char *reply;	   // the caller's, room for length + 1 bytes
	size_t received;   // bytes in `reply`
	uint64_t duration; // ns from before the first send until after the last recv
};

// Sends `message` and receives into `reply` at the same time, so that no message is too long for
// the buffers on the way. Gives up when nothing has come for `timeout` ns, or when `interrupt_fd`
// (-1: none) becomes readable.
enum exchange_end exchange_run(struct exchange *exchange, struct peer *peer, int interrupt_fd,
			       uint64_t timeout);

#endif
