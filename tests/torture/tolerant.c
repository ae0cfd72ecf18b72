#include "tolerant.h"

#include <sys/socket.h>

#include "peer.h"
#include "process.h"

#define PIECE ((size_t)32 << 10)
#define FULL_MS 10 // no room for that long: the server waits for us to read

bool tolerant_of_ends;

// Whether one of `events`, or an end, comes in time.
static bool await(int fd, short events, uint64_t deadline) {
	struct pollfd ready = {.fd = fd, .events = events};
	return poll(&ready, 1, clock_poll_timeout(deadline)) == 1;
}

static bool is_unix(int fd) {
	struct sockaddr end;
	socklen_t size = sizeof(end);
	return getsockname(fd, &end, &size) == 0 && end.sa_family == AF_UNIX;
}

// Returns false at an end.
static bool receive(int fd, uint64_t seed, size_t *received, size_t sent) {
	static char bytes[PIECE], expected[PIECE];
	ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return true;
	// AF_UNIX has no reset on purpose.
	if (got == 0 && *received < sent && !is_unix(fd) && !tolerant_of_ends)
		fail_msg("an orderly end after %zu of %zu bytes", *received, sent);
	if (got <= 0)
		return false;
	assert_true(*received + (size_t)got <= sent);
	pattern_fill(seed, *received, expected, (size_t)got);
	assert_memory_equal(bytes, expected, (size_t)got);
	*received += (size_t)got;
	return true;
}

bool tolerant_echo(int fd, uint64_t seed, size_t total, bool late, uint64_t deadline) {
	static char bytes[PIECE];
	size_t sent = 0, received = 0;
	bool goes_on = fd >= 0, has_ended = false;
	while (goes_on) {
		short events = sent < total ? POLLOUT : POLLIN;
		if (!late && sent < total)
			events |= POLLIN;
		uint64_t full = clock_deadline(FULL_MS * NS_PER_MS);
		bool ready = await(fd, events, late && full < deadline ? full : deadline);
		if (!ready && !late)
			break;
		late = late && ready && sent < total;
		size_t piece = total - sent < PIECE ? total - sent : PIECE;
		pattern_fill(seed, sent, bytes, piece);
		int64_t more = piece ? peer_send_some(fd, bytes, piece) : 0;
		sent += more > 0 ? (size_t)more : 0;
		if (sent == total && !has_ended)
			has_ended = shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN;
		goes_on = more >= 0 && (late || receive(fd, seed, &received, sent));
	}
	if (fd >= 0)
		close(fd);
	return received == total;
}

const char *tolerant_ask(const char *address, const char *text, uint64_t deadline) {
	size_t size = 1 << 20, length = 0;
	char *reply = test_keep(calloc(1, size));
	int fd = peer_try_connect(address, NULL);
	if (fd < 0)
		return reply;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(fd, SHUT_WR);
	for (ssize_t got = 1; got > 0 && await(fd, POLLIN, deadline); length += (size_t)got) {
		got = recv(fd, reply + length, size - 1 - length, 0);
		if (got <= 0)
			break;
	}
	close(fd);
	return reply;
}
