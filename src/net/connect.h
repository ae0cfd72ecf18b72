// Connecting: the way of all our clients to a server. Any thread.
#ifndef ECHOD_NET_CONNECT_H
#define ECHOD_NET_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

#define CONNECT_ADDRESSES 16 // of a name that are tried at most

// Why a connect failed: an errno value, or one of these.
enum connect_failure {
	// TCP allows a client that asks for a port on which nobody listens to be given that very
	// port as its own. Then it hears a perfect echo of itself.
	CONNECT_TO_ITSELF = -1,
	CONNECT_LATE = -2,
	CONNECT_INTERRUPTED = -3,
};

// In words. The storage is static.
const char *connect_reason(int why);

// One attempt, for event loops: opens a non-blocking socket and begins to connect it to `target`,
// from the IP address `source` unless that is NULL. TCP_NODELAY is set. Returns the descriptor,
// which is writable once there is a result, or -1 with errno; EAGAIN: the backlog of a Unix-domain
// socket is full, and only trying again will tell when it is not.
//
// With a source the port is chosen by connect(2), not by bind(2) (IP_BIND_ADDRESS_NO_PORT, ip(7)),
// so the same port serves for different targets and sources.
int connect_begin(const struct endpoint *target, const struct endpoint *source);

// The result: 0, or why it failed. The descriptor stays the caller's.
int connect_result(int fd);

// What an attempt to reach one of several addresses is bound to.
struct connect_terms {
	const struct endpoint *source; // NULL: the system's choice
	uint64_t timeout; // ns for everything, CLOCK_NEVER: as long as the kernel tries
	int interrupt_fd; // gives up once it is readable; -1: none
};

// Connects to one of the endpoints, as RFC 8305 has it: families take turns, the next attempt
// begins when one fails or after 250 ms, the first that succeeds wins, the others are closed. Of
// more than CONNECT_ADDRESSES the first are tried. Returns the descriptor, non-blocking and the
// caller's, with the winner in `reached`; or -1 with the reason for each in `error`.
int connect_first(const struct endpoint *endpoints, size_t count, const struct connect_terms *terms,
		  struct endpoint *reached, struct echod_error *error);

// The same to one endpoint, with the reason for a failure in `why`.
int connect_one(const struct endpoint *endpoint, const struct connect_terms *terms, int *why);

// The same to what is behind `address`; to look it up is part of the time.
int connect_to(const struct address *address, const struct connect_terms *terms,
	       struct endpoint *reached, struct echod_error *error);

#endif
