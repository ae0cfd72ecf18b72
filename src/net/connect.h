// Connecting to a server, for all our clients. Any thread.
#ifndef ECHOD_NET_CONNECT_H
#define ECHOD_NET_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

#define CONNECT_ADDRESSES 16 // the most addresses of a name that are tried

// Why a connect failed: an errno value, or one of these.
enum connect_failure {
	// If nobody listens on a port, TCP may give a client that very port as its own. Then the
	// client is connected to itself and gets a perfect echo.
	CONNECT_TO_ITSELF = -1,
	CONNECT_LATE = -2,
	CONNECT_INTERRUPTED = -3,
};

// The reason in words. The storage is static.
const char *connect_reason(int why);

// One attempt, for event loops: opens a non-blocking socket and begins to connect it to `target`,
// from the IP address `source` unless that is NULL. TCP_NODELAY is set. Returns the descriptor,
// which is writable once there is a result, or -1 with errno. EAGAIN: the backlog of a Unix-domain
// socket is full; the caller must try again later.
//
// With a source, connect(2) chooses the port, not bind(2) (IP_BIND_ADDRESS_NO_PORT, ip(7)). So
// different targets and sources can share a port.
int connect_begin(const struct endpoint *target, const struct endpoint *source);

// The result: 0, or why it failed. The descriptor stays the caller's.
int connect_result(int fd);

// The limits of an attempt to reach one of several addresses.
struct connect_terms {
	const struct endpoint *source; // NULL: the system's choice
	uint64_t timeout; // ns for everything, CLOCK_NEVER: as long as the kernel tries
	int interrupt_fd; // gives up when it is readable; -1: none
};

// Connects to one of the endpoints as in RFC 8305. Families take turns. The next attempt begins
// when one fails, or after 250 ms. The first that succeeds wins, and the others are closed. Only
// the first CONNECT_ADDRESSES endpoints are tried. Returns the descriptor, non-blocking and the
// caller's, with the winner in `reached`; or -1 with the reason for each in `error`.
int connect_first(const struct endpoint *endpoints, size_t count, const struct connect_terms *terms,
		  struct endpoint *reached, struct echod_error *error);

// The same to one endpoint, with the reason for a failure in `why`.
int connect_one(const struct endpoint *endpoint, const struct connect_terms *terms, int *why);

// The same for the endpoints of `address`. The time-out includes the look-up.
int connect_to(const struct address *address, const struct connect_terms *terms,
	       struct endpoint *reached, struct echod_error *error);

#endif
