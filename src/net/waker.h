// Waiting in poll(2) until a deadline, or until another thread wakes the waiting one.
#ifndef ECHOD_NET_WAKER_H
#define ECHOD_NET_WAKER_H

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

// Waits until one of `fds` is ready or `deadline` (clock_now, or CLOCK_NEVER) has passed. It is for
// loops that must neither end nor spin when poll(2) fails. Returns how many are ready. 0 may also
// mean a signal or a failure: ENOMEM, or EINVAL when the limit on descriptors is now below `count`.
// After a failure it sleeps for up to 100 ms, so that the caller may just try again.
int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline);

// A thread's sign of life for a watchdog: how many steps it has made, an odd number while it waits
// for something that may never come. Relaxed order, as nothing depends on it.
struct pulse {
	_Atomic uint32_t steps;
};

// The same as poll_until; `pulse` shows that the thread waits.
int pulse_poll(struct pulse *pulse, struct pollfd *fds, nfds_t count, uint64_t deadline);

// An eventfd. waker_wake may be called from any thread; the rest belongs to the thread that waits.
struct waker {
	int fd; // readable from waker_wake to waker_clear
};

#define WAKER_NONE ((struct waker){.fd = -1})

int waker_open(struct waker *waker, struct echod_error *error);
void waker_wake(const struct waker *waker);
void waker_clear(const struct waker *waker);
void waker_close(struct waker *waker);

#endif
