// poll(2) with an absolute deadline, for loops that must neither end nor spin when it fails. Any
// thread.
#ifndef ECHOD_NET_POLL_UNTIL_H
#define ECHOD_NET_POLL_UNTIL_H

#include <poll.h>
#include <stdint.h>

// Waits until one of `fds` is ready or `deadline` (clock_now, or CLOCK_NEVER) has passed. Returns
// how many are ready. 0 may also mean a signal or that poll failed: ENOMEM, or EINVAL when the
// limit of descriptors has been lowered below `count`. Then up to 100 ms have been slept away, so
// that the caller may just try again.
int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline);

#endif
