#include "exchange.h"

#include <poll.h>

#include "base/clock.h"

enum exchange_end exchange_run(struct exchange *exchange, struct peer *peer, int interrupt_fd,
			       uint64_t timeout)
{
	uint64_t start = clock_now();
	uint64_t deadline = clock_deadline(timeout);
	size_t sent = 0;
	exchange->received = 0;
	while (exchange->received < exchange->length) {
		if (sent < exchange->length && !peer->broken) {
			ssize_t count =
				peer_send(peer, exchange->message + sent, exchange->length - sent);
			sent += count > 0 ? (size_t)count : 0;
		}
		bool more = sent < exchange->length && !peer->broken;
		struct pollfd ready[] = {
			{.fd = peer->fd, .events = (short)(more ? POLLIN | POLLOUT : POLLIN)},
			{.fd = interrupt_fd, .events = POLLIN},
		};
		int count = poll(ready, 2, clock_poll_timeout(deadline));
		if (count == 0)
			return EXCHANGE_TIMED_OUT;
		if (count > 0 && ready[1].revents)
			return EXCHANGE_INTERRUPTED;
		ssize_t got = peer_receive(peer, exchange->reply + exchange->received,
					   exchange->length + 1 - exchange->received);
		if (got < 0)
			return EXCHANGE_BROKEN;
		if (got > 0) {
			exchange->received += (size_t)got;
			deadline = clock_deadline(timeout);
		}
	}
	exchange->duration = clock_now() - start;
	return EXCHANGE_COMPLETE;
}
