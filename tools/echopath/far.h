// The far end: the listener, to which the proxy forwards, and the servers' ends of the connections.
// It is a process of its own, here or, with --serve, on another machine. It does what the side
// channel asks for (channel.h). One thread.
#ifndef ECHOPATH_FAR_H
#define ECHOPATH_FAR_H

#include "base/error.h"
#include "net/address.h"

// Forks a far end for this machine. Returns the descriptor of the side channel, or -1 with `error`.
int far_fork(struct echod_error *error);

// `echopath --serve`: forks one for each client at `address`. Returns -1 with `error`.
int far_serve(const struct address *address, struct echod_error *error);

#endif
