// A listening socket. It is bound first and opened later, so that a server is ready before its
// first client. One thread at a time: the one that starts the server, then the acceptor.
#ifndef ECHOD_NET_LISTENER_H
#define ECHOD_NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"
#include "net/unix_path.h"

struct listener {
	int fd;			  // -1: closed
	struct endpoint endpoint; // as bound: a port 0 has become a real one
	char name[ADDRESS_TEXT_SIZE];
	struct unix_path path; // claimed if it has a file and is open
	bool inherited;	       // it listened before, and others may hold it: a service manager
};

#define LISTENER_NONE ((struct listener){.fd = -1})

// Creates the socket and, for TCP, binds it. TCP_NODELAY and keep-alive are set here: tcp(7)
// sockets inherit them on accept, which saves system calls a connection. A Unix-domain path is
// bound by listener_open, and never shared. With `reuse_port` a TCP port may be bound by others,
// too, of the same user that do the same (SO_REUSEPORT). On failure errno is set, too.
int listener_bind(struct listener *listener, const struct endpoint *endpoint, bool reuse_port,
		  struct echod_error *error);

// Takes over a TCP or Unix-domain socket that listens already. Its address is what the kernel says.
// It gets the options of listener_bind except those that concern the address, because the ones it
// has may be those of an earlier server. On success it belongs to `listener`.
int listener_adopt(struct listener *listener, int fd, struct echod_error *error);

// Accepts connections from here on. Does nothing to an inherited socket.
int listener_open(struct listener *listener, int backlog, struct echod_error *error);

// How many connections wait in the kernel to be accepted. A Unix-domain socket cannot tell;
// SIZE_MAX - 1 means that the caller accepts until there are none.
size_t listener_backlog(const struct listener *listener);

// Closes it and removes its path. The kernel resets connections that are not accepted yet. An
// inherited socket is only closed: it goes on listening for the others that hold it.
void listener_close(struct listener *listener);

#endif
