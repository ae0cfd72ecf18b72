// Tells a service manager how the server is, as sd_notify(3) defines it: one datagram a message, to
// the socket that $NOTIFY_SOCKET names. Without a manager nothing is sent. Main thread.
#ifndef ECHOD_MANAGER_NOTIFY_H
#define ECHOD_MANAGER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "manager/watchdog.h"
#include "net/address.h"

#define NOTIFY_STATUS_SIZE 201

struct notify {
	int fd; // -1: there is no manager; stays open as long as the process
	struct endpoint manager;
	struct server *server;
	char status[NOTIFY_STATUS_SIZE]; // as it was sent last
	uint64_t deadline;		 // of the drain, that the manager knows of; 0: none
	uint64_t period;  // ns within which it wants a sign of life; CLOCK_NEVER: it wants none
	uint64_t ping_at; // clock_now
	bool complained;  // of a thread that is stuck
	struct watchdog watchdog;
};

// Reads NOTIFY_SOCKET and WATCHDOG_*, and takes them out of the environment, so that no child has
// them. Call it before the first thread starts. Returns -1 with `error` when there is a name that
// cannot be used; then there is no manager.
int notify_open(struct notify *notify, struct echod_error *error);

// Says that `server`, which outlives `notify`, is ready. Waits while the manager's queue is full,
// until a signal comes. All other messages are lost, or sent later, if they cannot be sent at once.
void notify_ready(struct notify *notify, struct server *server);

// Sends what is due: a new state, and a sign of life at half of the period. While a thread is stuck
// there is none; it is sent as soon as the thread gets on. When a drain begins, or gets another
// deadline: that the server ends, and how long that may take, the rest of its drain and 5 s.
// Returns when to call it again at the latest (clock_now, or CLOCK_NEVER).
uint64_t notify_tend(struct notify *notify);

#endif
