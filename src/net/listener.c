#include "net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <unistd.h>

// Keep-alive notices a peer that has vanished after 60 + 4 * 15 seconds of silence.
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES 4

struct socket_option {
	int level;
	int name;
	int value;
};

static const struct socket_option tcp_options[] = {
	{SOL_SOCKET, SO_REUSEADDR, 1},
	{IPPROTO_TCP, TCP_NODELAY, 1},
	{SOL_SOCKET, SO_KEEPALIVE, 1},
	{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
	{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
	{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
};

static int set_tcp_options(int fd)
{
	for (size_t i = 0; i < sizeof(tcp_options) / sizeof(tcp_options[0]); i++) {
		const struct socket_option *option = &tcp_options[i];
		if (setsockopt(fd, option->level, option->name, &option->value,
			       sizeof(option->value)) != 0)
			return -1;
	}
	return 0;
}

static int set_address_options(int fd, const struct endpoint *endpoint, bool reuse_port)
{
	int share = reuse_port;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof(share)) != 0)
		return -1;
	if (endpoint->as.any.sa_family != AF_INET6)
		return 0;
	// [::] takes IPv4, too, and ::ffff:1.2.3.4 is IPv4. Any other IPv6 address takes IPv6 only.
	const struct in6_addr *address = &endpoint->as.v6.sin6_addr;
	int only = !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_V4MAPPED(address);
	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
}

// Whether the address stands for many hosts. bind(2) accepts some of these, but no client can
// connect.
static bool is_for_many(const struct endpoint *endpoint)
{
	const union inet_end end = inet_end_from(endpoint);
	if (end.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&end.v6.sin6_addr);
	in_addr_t address = ntohl(end.v4.sin_addr.s_addr);
	return IN_MULTICAST(address) || address == INADDR_BROADCAST;
}

static int bind_tcp(struct listener *listener, bool reuse_port, struct echod_error *error)
{
	struct endpoint *endpoint = &listener->endpoint;
	if (is_for_many(endpoint)) {
		error_set(error, ECHOD_ERROR_SYSTEM,
			  "cannot listen on %s: TCP has no multicast or broadcast addresses",
			  listener->name);
		errno = EADDRNOTAVAIL;
		return -1;
	}
	if (set_tcp_options(listener->fd) != 0 ||
	    set_address_options(listener->fd, endpoint, reuse_port) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot set up the socket for %s: %s",
				 listener->name, error_text(errno));
	if (bind(listener->fd, &endpoint->as.any, endpoint->length) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot listen on %s: %s",
				 listener->name, error_text(errno));
	endpoint->length = sizeof(endpoint->as);
	if (getsockname(listener->fd, &endpoint->as.any, &endpoint->length) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot read the address of %s: %s",
				 listener->name, error_text(errno));
	endpoint_format(endpoint, listener->name);
	return 0;
}

int listener_bind(struct listener *listener, const struct endpoint *endpoint, bool reuse_port,
		  struct echod_error *error)
{
	*listener = LISTENER_NONE;
	listener->endpoint = *endpoint;
	endpoint_format(endpoint, listener->name);
	listener->fd =
		socket(endpoint->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot create a socket for %s: %s",
				 listener->name, error_text(errno));
	if (endpoint->as.any.sa_family == AF_UNIX || bind_tcp(listener, reuse_port, error) == 0)
		return 0;
	int why = errno;
	listener_close(listener);
	errno = why;
	return -1;
}

int listener_adopt(struct listener *listener, int fd, struct echod_error *error)
{
	*listener = LISTENER_NONE;
	struct endpoint *endpoint = &listener->endpoint;
	endpoint->length = sizeof(endpoint->as);
	struct timeval none = {0}; // for connections, which inherit it
	if (getsockname(fd, &endpoint->as.any, &endpoint->length) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)) != 0 ||
	    (endpoint->as.any.sa_family != AF_UNIX && set_tcp_options(fd) != 0))
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot set up descriptor %d: %s", fd,
				 error_text(errno));
	endpoint_format(endpoint, listener->name);
	listener->fd = fd;
	listener->inherited = true;
	return 0;
}

int listener_open(struct listener *listener, int backlog, struct echod_error *error)
{
	if (listener->inherited)
		return 0;
	if (listener->endpoint.as.any.sa_family == AF_UNIX)
		return unix_path_listen(&listener->path, listener->fd,
					address_path_in(listener->name), backlog, false, error);
	if (listen(listener->fd, backlog) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot listen on %s: %s",
				 listener->name, error_text(errno));
	return 0;
}

size_t listener_backlog(const struct listener *listener)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	// Of a listening socket this field is the length of its accept queue (tcp_get_info in the
	// kernel; ss shows it).
	if (getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
		return info.tcpi_unacked;
	return SIZE_MAX - 1;
}

void listener_close(struct listener *listener)
{
	unix_path_remove(&listener->path);
	if (listener->fd >= 0 && !listener->inherited)
		shutdown(listener->fd, SHUT_RDWR); // a child of the host program may hold it, too
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
}
