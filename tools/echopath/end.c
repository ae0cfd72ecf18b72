#include "end.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/errno_class.h"
#include "net/socket.h"

#define PERIOD 65521 // of the bytes sent, a prime: no shift by a usual block size is missed
#define MOST ((size_t)64 << 10)
#define MOST_PAIRS 256

// The bytes that an end sends, and room for the longest piece after the period.
static const unsigned char *bytes_at(unsigned salt, uint64_t offset)
{
	static unsigned char bytes[PERIOD + MOST];
	if (bytes[1] == 0) {
		uint32_t state = 1;
		for (size_t i = 0; i < sizeof(bytes); i++) {
			state = state * 1664525 + 1013904223;
			bytes[i] =
				i < PERIOD ? (unsigned char)(state >> 24 | 1) : bytes[i - PERIOD];
		}
	}
	return &bytes[(offset + (uint64_t)salt * 7919) % PERIOD];
}

void pair_init(struct pair *pair)
{
	*pair = (struct pair){
		.client = {.fd = -1, .name = "client", .salt = 1, .first_wrong = UINT64_MAX},
		.server = {.fd = -1, .name = "server", .salt = 2, .first_wrong = UINT64_MAX},
	};
}

void end_put(struct end *from, struct end *to, uint64_t count)
{
	from->to_send += count;
	to->wanted += count;
}

// Notes the end: FIN if `number` is 0, else an errno value.
static void note_end(struct end *end, int number)
{
	bool reset = number && errno_classify(number) == ERRNO_PEER_GONE;
	end->ending = number == 0 ? ENDING_FIN : reset ? ENDING_RESET : ENDING_ERROR;
	end->number = number;
	end->ended_at = clock_now();
}

static bool is_passing(int number)
{
	enum errno_class class = errno_classify(number);
	return class == ERRNO_TRY_AGAIN || class == ERRNO_INTERRUPTED;
}

static bool has_to_send(const struct end *end)
{
	return end->fd >= 0 && !end->send_failed &&
	       (end->sent < end->to_send || (end->fin && !end->fin_sent));
}

static bool can_receive(const struct end *end)
{
	return end->fd >= 0 && !end->deaf && end->ending == ENDING_NONE;
}

// Returns whether something moved; likewise the next.
static bool send_some(struct end *end)
{
	uint64_t left = end->to_send - end->sent;
	if (left == 0) {
		end->fin_sent = true;
		return shutdown(end->fd, SHUT_WR) == 0;
	}
	size_t most = end->piece ? end->piece : MOST;
	size_t length = left < most ? (size_t)left : most;
	int more = end->fin_with_last && length == left ? MSG_MORE : 0;
	ssize_t count = socket_send(end->fd, bytes_at(end->salt, end->sent), length,
				    MSG_DONTWAIT | MSG_NOSIGNAL | more);
	if (count > 0)
		end->sent += (uint64_t)count;
	else if (!is_passing(errno)) {
		end->send_failed = true;
		// Bytes that came before the reset are still received first.
		if (end->deaf && end->ending == ENDING_NONE)
			note_end(end, errno);
	}
	return count > 0;
}

static void check(struct end *end, const unsigned char *got, size_t length)
{
	const unsigned char *right = bytes_at(3 - end->salt, end->received);
	if (end->first_wrong != UINT64_MAX || memcmp(got, right, length) == 0)
		return;
	size_t same = 0;
	while (got[same] == right[same])
		same++;
	end->first_wrong = end->received + same;
}

static bool receive_some(struct end *end)
{
	static unsigned char buffer[MOST];
	ssize_t count = socket_receive(end->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (count > 0) {
		check(end, buffer, (size_t)count);
		end->received += (uint64_t)count;
		return true;
	}
	if (count < 0 && is_passing(errno))
		return false;
	// The send that failed may have consumed the error, so that the receive sees an end.
	note_end(end, count < 0 ? errno : end->send_failed ? ECONNRESET : 0);
	return true;
}

static bool step(struct end *end)
{
	bool moved = has_to_send(end) && send_some(end);
	return (can_receive(end) && receive_some(end)) || moved;
}

static bool is_satisfied(const struct end *end)
{
	bool waits = end->wants_end || end->received < end->wanted;
	return end->fd < 0 || (!has_to_send(end) && (end->ending != ENDING_NONE || !waits));
}

static struct pollfd watch(const struct end *end)
{
	int events = (has_to_send(end) ? POLLOUT : 0) | (can_receive(end) ? POLLIN : 0);
	return (struct pollfd){.fd = events ? end->fd : -1, .events = (short)events};
}

// One step of all ends. Returns whether something moved.
static bool step_all(struct pair *pairs, size_t count)
{
	bool moved = false;
	for (size_t i = 0; i < count; i++) {
		moved |= step(&pairs[i].client);
		moved |= step(&pairs[i].server);
	}
	return moved;
}

static void wait_for_any(const struct pair *pairs, size_t count, uint64_t deadline)
{
	struct pollfd ends[2 * MOST_PAIRS];
	for (size_t i = 0; i < count; i++) {
		ends[2 * i] = watch(&pairs[i].client);
		ends[2 * i + 1] = watch(&pairs[i].server);
	}
	(void)poll(ends, 2 * count, clock_poll_timeout(deadline));
}

bool play(struct pair *pairs, size_t count, uint64_t timeout)
{
	uint64_t deadline = clock_deadline(timeout);
	for (;;) {
		if (step_all(pairs, count))
			deadline = clock_deadline(timeout);
		size_t satisfied = 0;
		while (satisfied < count && is_satisfied(&pairs[satisfied].client) &&
		       is_satisfied(&pairs[satisfied].server))
			satisfied++;
		if (satisfied == count || clock_now() >= deadline)
			return satisfied == count;
		wait_for_any(pairs, count, deadline);
	}
}

void play_for(struct pair *pairs, size_t count, uint64_t duration)
{
	uint64_t deadline = clock_deadline(duration);
	while (clock_now() < deadline) {
		if (!step_all(pairs, count))
			wait_for_any(pairs, count, deadline);
	}
}

void end_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

void end_reset(struct end *end)
{
	const struct linger linger = {.l_onoff = 1};
	if (end->fd >= 0)
		(void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	end_close(end);
}

void pair_close(struct pair *pair)
{
	end_reset(&pair->client);
	end_reset(&pair->server);
}

const char *end_ending(const struct end *end)
{
	static const char *const texts[] = {"nothing", "FIN", "a reset"};
	return end->ending == ENDING_ERROR ? error_text(end->number) : texts[end->ending];
}

char *end_format(const struct end *end, char *text)
{
	const char *how = end->ending == ENDING_NONE ? "no end" : end_ending(end);
	if (end->first_wrong != UINT64_MAX)
		snprintf(text, END_TEXT_SIZE, "%s got a wrong byte at offset %" PRIu64, end->name,
			 end->first_wrong);
	else if (end->wanted == 0 && end->received == 0)
		snprintf(text, END_TEXT_SIZE, "%s got %s", end->name, how);
	else
		snprintf(text, END_TEXT_SIZE, "%s got %" PRIu64 " of %" PRIu64 " bytes, then %s",
			 end->name, end->received, end->wanted, how);
	return text;
}
