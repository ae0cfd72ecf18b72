#include "peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/signals.h"
#include "net/connect.h"
#include "net/errno_class.h"

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

int peer_connect(struct peer *peer, const struct address *address, uint64_t timeout,
		 enum proxy_kind proxy, struct echod_error *error)
{
	struct endpoint reached;
	const struct connect_terms terms = {.timeout = timeout, .interrupt_fd = signals_fd()};
	*peer = (struct peer){.fd = connect_to(address, &terms, &reached, error)};
	if (peer->fd < 0)
		return -1;
	error_make_line(endpoint_format(&reached, peer->name));
	int why = proxy_send(peer->fd, proxy);
	if (why == 0)
		return 0;
	peer_close(peer);
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot send a PROXY header to %s: %s",
			 peer->name, error_text(why));
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
