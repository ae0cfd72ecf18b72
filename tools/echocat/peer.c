// The connection to the echo server. Main thread only.
#include "peer.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "net/errno_class.h"

#define MAX_ENDPOINTS 16

bool peer_is_itself(int fd)
{
	struct endpoint local = {.length = sizeof(local.as)};
	struct endpoint remote = {.length = sizeof(remote.as)};
	if (getsockname(fd, &local.as.any, &local.length) != 0 ||
	    getpeername(fd, &remote.as.any, &remote.length) != 0)
		return false;
	return local.as.any.sa_family != AF_UNIX && local.length == remote.length &&
	       memcmp(&local.as, &remote.as, local.length) == 0;
}

// A blocking connect with a time limit, which SO_SNDTIMEO is; unlike poll(2) it works for
// Unix-domain sockets whose backlog is full, too. Returns 0 or an errno value, ETIME when our time
// is up.
static int connect_within(int fd, const struct endpoint *endpoint, uint64_t timeout)
{
	struct timeval limit = clock_timeval(timeout);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		return errno;
	int failed;
	do
		failed = connect(fd, &endpoint->as.any, endpoint->length);
	while (failed && errno == EINTR); // stopped and continued
	if (!failed)
		return 0;
	return errno == EINPROGRESS || errno == EAGAIN ? ETIME : errno;
}

// Connects to one address. Returns 0, or -1 with the reason in `why`.
static int try_endpoint(struct peer *peer, const struct endpoint *endpoint, uint64_t timeout,
			char *why, size_t size)
{
	endpoint_format(endpoint, peer->name);
	peer->fd = socket(endpoint->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int number = peer->fd < 0 ? errno : connect_within(peer->fd, endpoint, timeout);
	char limit[16];
	if (number == ETIME)
		snprintf(why, size, "no answer within %s",
			 units_format_duration(timeout, limit, sizeof(limit)));
	else if (number)
		snprintf(why, size, "%s", error_text(number));
	else if (peer_is_itself(peer->fd))
		snprintf(why, size, "connected to itself: no server listens there");
	else
		return 0;
	peer_close(peer);
	return -1;
}

int peer_connect(struct peer *peer, const struct address *address, uint64_t timeout,
		 struct error *error)
{
	struct endpoint endpoints[MAX_ENDPOINTS];
	int count = address_resolve(address, endpoints, MAX_ENDPOINTS, error);
	if (count < 0)
		return -1;
	*peer = (struct peer){.fd = -1};
	char reasons[360] = "";
	size_t used = 0;
	for (int i = 0; i < count; i++) {
		char why[100];
		if (try_endpoint(peer, &endpoints[i], timeout, why, sizeof(why)) == 0) {
			int on = 1;
			if (!address->is_unix)
				(void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on,
						 sizeof(on));
			return 0;
		}
		if (used < sizeof(reasons))
			used += (size_t)snprintf(reasons + used, sizeof(reasons) - used, "%s%s: %s",
						 i ? ", nor to " : "", peer->name, why);
	}
	return error_set(error, ERROR_SYSTEM, "cannot connect to %s", reasons);
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

// After a failed send or recv: whether to try again later (0) or never (-1).
static ssize_t note_failure(struct peer *peer, int number)
{
	enum errno_class class = errno_classify(number);
	if (class == ERRNO_TRY_AGAIN || class == ERRNO_INTERRUPTED)
		return 0;
	if (!peer->broken)
		peer->broken = number;
	return -1;
}

ssize_t peer_send(struct peer *peer, const void *bytes, size_t length)
{
	ssize_t count = send(peer->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	return count >= 0 ? count : note_failure(peer, errno);
}

ssize_t peer_receive(struct peer *peer, void *bytes, size_t length)
{
	ssize_t count = recv(peer->fd, bytes, length, MSG_DONTWAIT);
	if (count > 0)
		return count;
	return count == 0 ? -1 : note_failure(peer, errno);
}

const char *peer_end_text(const struct peer *peer)
{
	return peer->broken ? error_text(peer->broken) : "the peer closed the connection";
}
