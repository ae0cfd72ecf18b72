// Wakes a thread that waits in poll(2): an eventfd. waker_wake may be called from any thread; the
// rest belongs to the thread that waits.
#ifndef ECHOD_NET_WAKER_H
#define ECHOD_NET_WAKER_H

#include "base/error.h"

struct waker {
	int fd; // readable from waker_wake to waker_clear
};

#define WAKER_NONE ((struct waker){.fd = -1})

int waker_open(struct waker *waker, struct echod_error *error);
void waker_wake(const struct waker *waker);
void waker_clear(const struct waker *waker);
void waker_close(struct waker *waker);

#endif
