// One connection without an event loop: a client that blocks in recv(2). One thread.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "load.h"
#include "payload.h"

// Sends one message and waits for its echo. Returns 0, or -1 if that failed.
static int exchange(int fd, const struct job *job, uint64_t position)
{
	static char buffer[PAYLOAD_CHUNK];
	const char *message = payload_at(0, position);
	if (send(fd, message, job->size, MSG_NOSIGNAL) != (ssize_t)job->size)
		return -1;
	for (size_t done = 0; done < job->size;) {
		ssize_t received = recv(fd, buffer, job->size - done, 0);
		if (received < 0 && errno == EINTR)
			continue;
		if (received <= 0 || memcmp(buffer, message + done, (size_t)received) != 0)
			return -1;
		done += (size_t)received;
	}
	return 0;
}

int blocking_run(const struct job *job, struct result *result, struct error *error)
{
	int fd = link_connect(job->port, error);
	if (fd < 0)
		return -1;
	const struct timeval patience = clock_timeval(5 * NS_PER_S);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0) {
		close(fd);
		return error_set(error, ERROR_SYSTEM, "setsockopt: %s", error_text(errno));
	}
	uint64_t asked = clock_now();
	for (uint64_t position = 0; window_open(job, result, asked); position += job->size) {
		if (exchange(fd, job, position) != 0) {
			close(fd);
			return error_set(error, ERROR_SYSTEM, "the echo was wrong or late: %s",
					 error_text(errno));
		}
		uint64_t now = clock_now();
		window_record(result, asked, now);
		asked = now;
	}
	close(fd);
	return 0;
}
