// Where a connection comes from, as it is shown. Any thread.
#ifndef ECHOD_NET_ORIGIN_H
#define ECHOD_NET_ORIGIN_H

#include <stdint.h>

#include "net/address.h"

// Plain values, never changed.
struct conn_origin {
	int fd;
	uint64_t accepted_at;	// clock_now
	union inet_end peer;	// AF_UNIX: only the user is known. A proxy may have told it, so
	union inet_end local;	// `local` says of what family the socket is
	union inet_end proxy;	// the proxy that told the peer; AF_UNSPEC: none did
	const char *local_name; // the listener's; lives as long as the server
	uint32_t peer_user;	// AF_UNIX: the user id
	unsigned listener;	// the listener's index in the server
	uint32_t faults;	// that befall it on purpose: src/fault; 0: none
};

// Its peer and its own end as people read them: `127.0.0.1:5000`, `unix user 1000`, `unix:/path`.
// Returns `text`, which has room for ADDRESS_TEXT_SIZE bytes, or a string that lives as long as the
// server.
const char *conn_peer_text(const struct conn_origin *origin, char *text);
const char *conn_local_text(const struct conn_origin *origin, char *text);

#endif
