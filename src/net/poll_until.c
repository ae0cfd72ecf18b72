#include "net/poll_until.h"

#include <errno.h>
#include <time.h>

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
