// libevent without bufferevents: an event for each connection, recv and send in its callback. One
// thread. `libevent PORT`
#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

struct conn {
	int fd;
	struct event *event;
	struct unsent unsent;
};

static struct event_base *base;

static void conn_end(struct conn *conn)
{
	event_free(conn->event);
	close(conn->fd);
	unsent_free(&conn->unsent);
	free(conn);
}

static void on_event(evutil_socket_t fd, short what, void *context);

static void set_events(struct conn *conn, short what)
{
	if (conn->event)
		event_free(conn->event);
	conn->event = event_new(base, conn->fd, (short)(what | EV_PERSIST), on_event, conn);
	if (!conn->event || event_add(conn->event, NULL) != 0)
		peer_fail("event_add");
}

static void echo(struct conn *conn)
{
	static char buffer[PEER_BUFFER_SIZE];
	ssize_t received = peer_recv(conn->fd, buffer, sizeof(buffer), 0);
	if (received < 0 && errno == EAGAIN)
		return;
	enum unsent_result result =
		received > 0 ? unsent_send(&conn->unsent, conn->fd, buffer, (size_t)received)
			     : UNSENT_FAILED;
	if (result == UNSENT_FAILED)
		conn_end(conn);
	else if (result == UNSENT_REST)
		set_events(conn, EV_WRITE);
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
	struct conn *conn = context;
	if (what & EV_READ) {
		echo(conn);
		return;
	}
	enum unsent_result result = unsent_flush(&conn->unsent, fd);
	if (result == UNSENT_FAILED)
		conn_end(conn);
	else if (result == UNSENT_EMPTY)
		set_events(conn, EV_READ);
}

static void on_accept(evutil_socket_t listener, short what, void *context)
{
	(void)what;
	(void)context;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct conn *conn = calloc(1, sizeof(*conn));
	if (!conn)
		peer_fail("calloc");
	conn->fd = fd;
	set_events(conn, EV_READ);
}

int main(int argc, char **argv)
{
	unsigned short port = peer_start(argc, argv);
	struct event_config *config = event_config_new();
	if (!config ||
	    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
						  EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) != 0)
		peer_fail("event_config");
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (!base)
		peer_fail("event_base");
	int listener = peer_listen(port, true, false);
	struct event *accepting = event_new(base, listener, EV_READ | EV_PERSIST, on_accept, NULL);
	if (!accepting || event_add(accepting, NULL) != 0)
		peer_fail("event_add");
	return event_base_dispatch(base) == 0 ? 0 : 3;
}
