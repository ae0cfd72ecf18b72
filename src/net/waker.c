#include "net/waker.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"

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
