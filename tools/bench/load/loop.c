// Connections in one epoll loop: ping-pong ones, which send their next message when the whole echo
// of the last has come, and bulk ones, which keep a number of bytes on the way. One thread.
//
// No connection waits to be writable: while it has bytes on the way their echo will come, and
// sending goes on then.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "load.h"
#include "payload.h"

#define BATCH 512
#define TICK_MS 100
#define BULK_ON_THE_WAY (UINT64_C(1) << 20)
#define BULK_COMPARED 64 // bytes of each receive that are compared; of ping-pong messages all are

struct link {
	int fd; // -1: has failed
	unsigned stream;
	bool bulk;
	uint64_t goal; // send up to here
	uint64_t sent;
	uint64_t received;
	uint64_t asked; // when the present message was sent
};

struct loop {
	const struct job *job;
	struct result *result;
	int epoll;
	struct link *links;
	unsigned count;
};

static void link_fail(struct loop *loop, struct link *link)
{
	loop->result->errors++;
	close(link->fd);
	link->fd = -1;
}

static void link_send(struct loop *loop, struct link *link)
{
	while (link->sent < link->goal) {
		uint64_t left = link->goal - link->sent;
		size_t size = left < PAYLOAD_CHUNK ? (size_t)left : PAYLOAD_CHUNK;
		ssize_t sent = send(link->fd, payload_at(link->stream, link->sent), size,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			link_fail(loop, link);
		if (sent < 0)
			return;
		link->sent += (uint64_t)sent;
	}
}

// A message is complete: records it and asks for the next. Returns the time.
static uint64_t ping_next(struct loop *loop, struct link *link)
{
	uint64_t now = clock_now();
	window_record(loop->result, link->asked, now);
	link->asked = now;
	link->goal += loop->job->size;
	return now;
}

// Takes what has come. Returns the time, if it had to be asked for, or 0.
static uint64_t link_receive(struct loop *loop, struct link *link)
{
	static char buffer[PAYLOAD_CHUNK];
	uint64_t now = 0;
	uint64_t left = link->sent - link->received;
	size_t most = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);
	ssize_t received = recv(link->fd, buffer, most ? most : 1, MSG_DONTWAIT);
	if (received < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	size_t size = received < 0 ? 0 : (size_t)received;
	size_t compared = link->bulk && size > BULK_COMPARED ? BULK_COMPARED : size;
	if (received <= 0 || size > left ||
	    memcmp(buffer, payload_at(link->stream, link->received), compared) != 0) {
		link_fail(loop, link);
		return 0;
	}
	link->received += size;
	if (link->bulk) {
		link->goal = link->received + BULK_ON_THE_WAY;
		window_add_bulk(loop->result, size);
	} else if (link->received == link->goal) {
		now = ping_next(loop, link);
	}
	link_send(loop, link);
	return now;
}

static int links_open(struct loop *loop, unsigned bulk, struct error *error)
{
	for (unsigned i = 0; i < loop->count; i++) {
		struct link *link = &loop->links[i];
		*link = (struct link){.stream = i, .bulk = i < bulk};
		link->fd = link_connect(loop->job->port, error);
		if (link->fd < 0) {
			loop->count = i;
			return -1;
		}
		// A ping-pong connection never has more than it asks for, so an edge is enough.
		struct epoll_event event = {
			.events = EPOLLIN | (link->bulk ? 0 : EPOLLET),
			.data.ptr = link,
		};
		if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, link->fd, &event) != 0)
			return error_set(error, ERROR_SYSTEM, "epoll_ctl: %s", error_text(errno));
	}
	return 0;
}

static void links_close(struct loop *loop)
{
	for (unsigned i = 0; i < loop->count; i++) {
		const struct link *link = &loop->links[i];
		loop->result->unserved += link->received == 0;
		if (link->fd >= 0)
			close(link->fd);
	}
}

static void loop_work(struct loop *loop)
{
	struct epoll_event events[BATCH];
	for (unsigned i = 0; i < loop->count; i++) {
		struct link *link = &loop->links[i];
		link->goal = link->bulk ? BULK_ON_THE_WAY : loop->job->size;
		link->asked = clock_now();
		link_send(loop, link);
	}
	uint64_t now = clock_now();
	while (window_open(loop->job, loop->result, now)) {
		int count = epoll_wait(loop->epoll, events, BATCH, TICK_MS);
		now = 0;
		for (int i = 0; i < count; i++) {
			struct link *link = events[i].data.ptr;
			if (link->fd < 0)
				continue;
			uint64_t then = link_receive(loop, link);
			now = then ? then : now;
		}
		if (!now)
			now = clock_now();
	}
}

// Runs `pings` ping-pong and `bulk` bulk connections beside the idle ones.
static int loop_run(const struct job *job, unsigned pings, unsigned bulk, struct result *result,
		    struct error *error)
{
	int *idle = idle_open(job->port, job->idle, result, error);
	if (!idle)
		return -1;
	struct loop loop = {
		.job = job,
		.result = result,
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.links = calloc(pings + bulk, sizeof(*loop.links)),
		.count = pings + bulk,
	};
	int status = -1;
	if (loop.epoll < 0 || !loop.links) {
		error_set(error, ERROR_SYSTEM, "epoll: %s", error_text(errno));
		loop.count = 0;
	} else {
		status = links_open(&loop, bulk, error);
	}
	if (status == 0)
		loop_work(&loop);
	links_close(&loop);
	free(loop.links);
	if (loop.epoll >= 0)
		close(loop.epoll);
	idle_close(idle, job->idle);
	return status;
}

int ping_run(const struct job *job, struct result *result, struct error *error)
{
	return loop_run(job, job->connections, 0, result, error);
}

int stream_run(const struct job *job, struct result *result, struct error *error)
{
	return loop_run(job, 0, job->connections, result, error);
}

int mixed_run(const struct job *job, struct result *result, struct error *error)
{
	return loop_run(job, job->connections, 1, result, error);
}
