// Whether the threads of a server get on, for a service manager's watchdog. Main thread. It looks
// at what the threads show anyway.
#ifndef ECHOD_MANAGER_WATCHDOG_H
#define ECHOD_MANAGER_WATCHDOG_H

#include "server/server.h"

// What they showed at the last check that found all well; all zero at first.
struct watchdog {
	uint32_t steps[SERVER_FIXED_THREADS];
	uint64_t workers[CONFIG_MAX_WORKERS];
	char stuck[24];
};

// Returns NULL if each thread has got on since the last check that returned NULL, or may wait as it
// does. Else names one that has not: `echod/accept`, `echod/work-3`. Two checks must be so far
// apart that a thread which has something to do gets a CPU in between. A worker that sleeps, leads
// or blocks for its client may do so without end. One that serves or polls must move bytes or end
// its turn.
const char *watchdog_check(struct watchdog *watchdog, const struct server *server);

#endif
