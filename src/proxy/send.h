// The PROXY header as our clients send it (proxy/header.h). Any thread.
#ifndef ECHOD_PROXY_SEND_H
#define ECHOD_PROXY_SEND_H

#include <stddef.h>

#include "net/address.h"
#include "proxy/header.h"

// By name, in this order, PROXY_WORDS.
enum proxy_kind { PROXY_NONE, PROXY_V1, PROXY_V2, PROXY_LOCAL };
#define PROXY_WORDS "none|v1|v2|local" // local: version 2, for a connection of the proxy's own

// Writes the header for a connection from `source` to `destination`, of one family. Unix-domain
// sockets are told as UNKNOWN or UNSPEC. Returns its length.
size_t proxy_write(enum proxy_kind kind, const union inet_end *source,
		   const union inet_end *destination, char bytes[static PROXY_V1_MAX]);

// Sends the header for the new connection `fd`, with its own ends as the addresses. Never waits, as
// the buffer is empty. Returns 0, or errno.
int proxy_send(int fd, enum proxy_kind kind);

#endif
