// The epoll loop at its best. Edge-triggered: a connection is registered once, a message costs one
// recv, one send and a share of an epoll_wait. The thread that calls it owns all that it accepts.
#include "event_loop.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define EVENTS_AT_ONCE 512
#define ACCEPTS_A_TURN 64
#define BUFFERS_A_TURN 4 // that one connection may fill before the others have their turn
#define READING (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define WRITING (EPOLLOUT | EPOLLET)

struct conn {
	int fd;
	struct unsent unsent;
};

static void set_events(int epoll, int operation, struct conn *conn, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = conn};
	if (epoll_ctl(epoll, operation, conn->fd, &event) != 0)
		peer_fail("epoll_ctl");
}

static void conn_end(struct conn *conn)
{
	close(conn->fd);
	unsent_free(&conn->unsent);
	free(conn);
}

static void accept_some(int epoll, int listener)
{
	// The epoll set holds the connection, which the analyzer cannot see.
	// NOLINTBEGIN(clang-analyzer-unix.Malloc)
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct conn *conn = calloc(1, sizeof(*conn));
		if (!conn)
			peer_fail("calloc");
		conn->fd = fd;
		set_events(epoll, EPOLL_CTL_ADD, conn, READING);
	}
	// NOLINTEND(clang-analyzer-unix.Malloc)
}

// Receives and sends once. Returns whether the connection may hold more: a receive that did not
// fill the buffer has drained the socket, unless the peer's end came with the data.
static bool echo_once(int epoll, struct conn *conn, bool ending)
{
	static _Thread_local char buffer[PEER_BUFFER_SIZE];
	ssize_t received = peer_recv(conn->fd, buffer, sizeof(buffer), 0);
	if (received <= 0) {
		if (received == 0 || errno != EAGAIN)
			conn_end(conn);
		return false;
	}
	switch (unsent_send(&conn->unsent, conn->fd, buffer, (size_t)received)) {
	case UNSENT_FAILED:
		conn_end(conn);
		return false;
	case UNSENT_REST:
		set_events(epoll, EPOLL_CTL_MOD, conn, WRITING);
		return false;
	case UNSENT_EMPTY:
		break;
	}
	return received == sizeof(buffer) || ending;
}

// After its share, what is left is asked for with EPOLL_CTL_MOD, which puts the connection behind
// others that are ready.
static void echo(int epoll, struct conn *conn, uint32_t events)
{
	bool ending = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	for (int i = 0; i < BUFFERS_A_TURN; i++) {
		if (!echo_once(epoll, conn, ending))
			return;
	}
	set_events(epoll, EPOLL_CTL_MOD, conn, READING);
}

static void flush(int epoll, struct conn *conn)
{
	switch (unsent_flush(&conn->unsent, conn->fd)) {
	case UNSENT_FAILED:
		conn_end(conn);
		return;
	case UNSENT_REST:
		return;
	case UNSENT_EMPTY:
		set_events(epoll, EPOLL_CTL_MOD, conn, READING);
	}
}

void event_loop_run(int listener)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		peer_fail("epoll");
	struct epoll_event events[EVENTS_AT_ONCE];
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);
		for (int i = 0; i < count; i++) {
			struct conn *conn = events[i].data.ptr;
			if (!conn)
				accept_some(epoll, listener);
			else if (conn->unsent.bytes)
				flush(epoll, conn);
			else
				echo(epoll, conn, events[i].events);
		}
	}
}
