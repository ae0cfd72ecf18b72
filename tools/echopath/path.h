// The path under test: from the client through a proxy, or directly, to the far end. Reasons for a
// failure are texts, valid until the next call. Main thread only.
#ifndef ECHOPATH_PATH_H
#define ECHOPATH_PATH_H

#include "pair.h"

// Whether the first bytes of a connection name it. They tell it from others that reach the far end,
// such as health checks, and wake a lazy proxy.
enum hello { HELLO_FIRST, HELLO_IF_LAZY, HELLO_NEVER };

struct path {
	const struct address *via;     // NULL: none, the client connects to the far end
	const struct address *connect; // of the request CONNECT that is sent first; NULL: none
	struct endpoint target;	       // what the client connects to, once path_open knows it
	struct far *far;
	uint64_t timeout; // ns that an expected event may take
	bool lazy;	  // the proxy connects to the server only when the client has sent bytes
	bool brief;	  // long waits are cut short: the suite is proved, or --quick
};

// Finds out whether connections reach the far end, and whether the proxy is lazy. Returns 0, or -1
// with `error`.
int path_open(struct path *path, struct echod_error *error);

// Connects the client and, with CONNECT, asks for the server. Returns NULL, or the reason.
const char *path_connect(const struct path *path, struct end *client);

// Connects `count` pairs; all connects begin at once. Returns NULL, or the reason of the first
// failure; pairs that fail are closed.
const char *path_open_pairs(const struct path *path, struct pair *pairs, size_t count,
			    enum hello hello);

// Opens one pair, and tries again for `timeout` ns: by its health checks a proxy may have found the
// server dead.
const char *path_recover(const struct path *path, struct pair *pair, uint64_t timeout);

#endif
