// The connection to the echo server. Sending and receiving never block; the caller waits. Main
// thread only.
#ifndef ECHOCAT_PEER_H
#define ECHOCAT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "net/address.h"
#include "proxy/send.h"

struct peer {
	int fd;
	int broken; // the errno of the first failed send or recv, 0: none
	char name[ADDRESS_TEXT_SIZE];
};

// Connects to `address`; if it stands for several, to the one that answers first. `timeout` ns
// limits the whole attempt (CLOCK_NEVER: as long as the kernel tries). Then sends the header
// `proxy`. The caller ends it with peer_close.
int peer_connect(struct peer *peer, const struct address *address, uint64_t timeout,
		 enum proxy_kind proxy, struct echod_error *error);

void peer_close(struct peer *peer);

// Returns how many bytes the kernel took, 0 when it takes none now, -1 when the connection is
// broken. Even then there may be bytes to receive.
ssize_t peer_send(struct peer *peer, const void *bytes, size_t length);

// Returns how many bytes came, 0 when none are there now, -1 when no more can come; see
// peer_end_text.
ssize_t peer_receive(struct peer *peer, void *bytes, size_t length);

// Why no more bytes can come: the peer closed the connection, or the kernel's error.
const char *peer_end_text(const struct peer *peer);

#endif
