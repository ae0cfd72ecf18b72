#include "net/waker.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define FAILURE_PAUSE (100 * NS_PER_MS)

int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline)
{
	int ready = poll(fds, count, clock_poll_timeout(deadline));
	if (ready >= 0)
		return ready;
	ensure(errno == EINTR || errno == ENOMEM || errno == EINVAL);
	if (errno != EINTR) {
		struct timespec pause = {.tv_nsec = FAILURE_PAUSE};
		nanosleep(&pause, NULL);
	}
	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = 0;
	return 0;
}

int pulse_poll(struct pulse *pulse, struct pollfd *fds, nfds_t count, uint64_t deadline)
{
	atomic_fetch_add_explicit(&pulse->steps, 1, memory_order_relaxed);
	int ready = poll_until(fds, count, deadline);
	atomic_fetch_add_explicit(&pulse->steps, 1, memory_order_relaxed);
	return ready;
}

int waker_open(struct waker *waker, struct echod_error *error)
{
	waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (waker->fd < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot create an eventfd: %s",
				 error_text(errno));
	return 0;
}

void waker_wake(const struct waker *waker)
{
	uint64_t one = 1;
	ssize_t written;
	do
		written = write(waker->fd, &one, sizeof(one));
	while (written < 0 && errno == EINTR);
	ensure(written > 0 ||
	       errno == EAGAIN); // EAGAIN: 2^64 - 2 wake-ups are pending, it is readable
}

void waker_clear(const struct waker *waker)
{
	uint64_t count;
	ssize_t got;
	do
		got = read(waker->fd, &count, sizeof(count));
	while (got < 0 && errno == EINTR);
	ensure(got > 0 || errno == EAGAIN);
}

void waker_close(struct waker *waker)
{
	if (waker->fd >= 0)
		close(waker->fd);
	waker->fd = -1;
}
