// The path under test: from the client through a proxy, or directly, to our own listener. Reasons
// for a failure are texts, valid until the next call. Main thread only.
#ifndef ECHOPATH_PATH_H
#define ECHOPATH_PATH_H

#include "base/error.h"
#include "end.h"
#include "net/address.h"
#include "net/listener.h"

#define PATH_BACKLOG 512

struct path {
	const struct address *via;     // NULL: none, the client connects to the listener
	const struct address *connect; // of the request CONNECT that is sent first; NULL: none
	struct endpoint target;	       // what the client connects to, once path_open knows it
	struct listener *listener;     // the server's
	uint64_t timeout;	       // ns that an expected event may take
	bool lazy;  // the proxy connects to the server only when the client has sent bytes
	bool brief; // long waits are cut short: the suite is proved, or --quick
};

// Finds out whether connections reach the listener, and whether the proxy is lazy. Returns 0, or -1
// with `error`.
int path_open(struct path *path, struct echod_error *error);

// Listens with a queue of `backlog`, at the same address again after listener_close.
int path_listen(const struct path *path, int backlog, struct echod_error *error);

// Connects the client and, with CONNECT, asks for the server. Returns NULL, or the reason.
const char *path_connect(const struct path *path, struct end *client);

// Takes the next connection that comes within `timeout` ns. Returns whether there was one.
bool path_accept(const struct path *path, struct end *server, uint64_t timeout);

// Both, for `count` pairs: all connects begin at once. To a lazy proxy each client first sends
// bytes, which its server reads. Which client is at the other end of a server is known only if
// `count` is 1. Returns NULL, or the reason of the first failure; then some ends are closed.
const char *path_open_pairs(const struct path *path, struct pair *pairs, size_t count);

#endif
