// Connect, echo one message, close, again and again, on a number of connections at a time. One
// thread.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "load.h"
#include "payload.h"

#define BATCH 64
#define TICK_MS 100

struct visit {
	int fd;
	unsigned stream;
	size_t received;
	uint64_t began;
};

static int visit_begin(int epoll, struct visit *visit, const struct job *job, struct error *error)
{
	visit->began = clock_now();
	visit->received = 0;
	visit->stream++;
	visit->fd = link_connect(job->port, error);
	if (visit->fd < 0)
		return -1;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = visit};
	if (send(visit->fd, payload_at(visit->stream, 0), job->size, MSG_NOSIGNAL) !=
		    (ssize_t)job->size ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, visit->fd, &event) != 0) {
		error_set(error, ERROR_SYSTEM, "cannot send: %s", error_text(errno));
		close(visit->fd);
		visit->fd = -1;
		return -1;
	}
	return 0;
}

// Takes what has come. Returns whether the visit is over.
static bool visit_receive(struct visit *visit, const struct job *job, struct result *result)
{
	static char buffer[PAYLOAD_CHUNK];
	ssize_t received = recv(visit->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (received < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	const char *expected = payload_at(visit->stream, visit->received);
	if (received <= 0 || visit->received + (size_t)received > job->size ||
	    memcmp(buffer, expected, (size_t)received) != 0) {
		result->errors++;
		return true;
	}
	visit->received += (size_t)received;
	if (visit->received < job->size)
		return false;
	window_record(result, visit->began, clock_now());
	return true;
}

static int churn(const struct job *job, int epoll, struct visit *visits, struct result *result,
		 struct error *error)
{
	for (unsigned i = 0; i < job->connections; i++) {
		visits[i].stream = i * 1000003U;
		if (visit_begin(epoll, &visits[i], job, error) != 0)
			return -1;
	}
	while (window_open(job, result, clock_now())) {
		struct epoll_event events[BATCH];
		int count = epoll_wait(epoll, events, BATCH, TICK_MS);
		for (int i = 0; i < count; i++) {
			struct visit *visit = events[i].data.ptr;
			if (!visit_receive(visit, job, result))
				continue;
			close(visit->fd);
			if (visit_begin(epoll, visit, job, error) != 0)
				return -1;
		}
	}
	return 0;
}

int churn_run(const struct job *job, struct result *result, struct error *error)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct visit *visits = calloc(job->connections, sizeof(*visits));
	if (epoll < 0 || !visits) {
		free(visits);
		if (epoll >= 0)
			close(epoll);
		return error_set(error, ERROR_SYSTEM, "epoll: %s", error_text(errno));
	}
	for (unsigned i = 0; i < job->connections; i++)
		visits[i].fd = -1;
	int status = churn(job, epoll, visits, result, error);
	for (unsigned i = 0; i < job->connections; i++) {
		if (visits[i].fd >= 0)
			close(visits[i].fd);
	}
	free(visits);
	close(epoll);
	return status;
}
