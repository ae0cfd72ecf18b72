// The end of a server, apart from accepting: waiting for the connections, aborting the rest, and
// what the log says of it. The acceptor only.
#ifndef ECHOD_SERVER_DRAIN_H
#define ECHOD_SERVER_DRAIN_H

#include <stdint.h>

#include "server/server.h"

// Sleeps until the acceptor is woken, or `deadline` (clock_now) has passed.
void drain_sleep(struct server *server, uint64_t deadline);

// Log that the server still accepts for the delay, if that has not passed; that it drains.
void drain_log_delay(const struct server *server);
void drain_log_begin(const struct server *server);

// Waits until the last connection has ended, or for the drain's deadline, which may move meanwhile.
// Then aborts the rest, and waits until their workers have closed them. Logs both.
void drain_connections(struct server *server);

#endif
