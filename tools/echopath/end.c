#include "end.h"

#include <errno.h>
#include <inttypes.h>
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

struct end end_none(const char *name, unsigned salt)
{
	return (struct end){.fd = -1,
			    .name = name,
			    .salt = salt,
			    .limit = UINT64_MAX,
			    .first_wrong = UINT64_MAX};
}

void end_take(struct end *end, int fd)
{
	end->fd = fd;
	end->open = end->accepted = end->changed = fd >= 0;
	end->moved_at = clock_now();
}

// Notes the end: FIN if `number` is 0, else an errno value.
static void note_end(struct end *end, int number)
{
	bool reset = number && errno_classify(number) == ERRNO_PEER_GONE;
	end->ending = number == 0 ? ENDING_FIN : reset ? ENDING_RESET : ENDING_ERROR;
	end->number = number;
	end->ended_at = clock_now();
	end->quiet = end->ended_at - end->moved_at;
}

static bool is_passing(int number)
{
	enum errno_class class = errno_classify(number);
	return class == ERRNO_TRY_AGAIN || class == ERRNO_INTERRUPTED;
}

static uint64_t bytes_due(const struct end *end)
{
	return end->answers ? end->received / end->answers : end->to_send;
}

static bool has_to_send(const struct end *end)
{
	return end->open && !end->mute && !end->send_failed &&
	       (end->sent < bytes_due(end) || (end->fin && !end->fin_sent));
}

uint64_t end_due(const struct end *end)
{
	bool waits = end->waits && end->ending != ENDING_NONE && has_to_send(end);
	return waits && end->fd >= 0 ? end->ended_at + end->pause : CLOCK_NEVER;
}

static bool can_send(const struct end *end)
{
	return end->fd >= 0 && has_to_send(end) && (!end->waits || end_due(end) <= clock_now());
}

static bool can_receive(const struct end *end)
{
	return end->fd >= 0 && end->received < end->limit && end->ending == ENDING_NONE;
}

// Returns whether something moved; likewise the next.
static bool send_some(struct end *end)
{
	uint64_t left = bytes_due(end) - end->sent;
	if (left == 0) {
		end->fin_sent = true;
		return shutdown(end->fd, SHUT_WR) == 0;
	}
	size_t most = end->piece ? end->piece : MOST;
	size_t length = left < most ? (size_t)left : most;
	int flags = (end->fin_with_last && length == left ? MSG_MORE : 0) |
		    (end->urgent && end->sent == 1 ? MSG_OOB : 0);
	ssize_t count = socket_send(end->fd, bytes_at(end->salt, end->sent), length,
				    MSG_DONTWAIT | MSG_NOSIGNAL | flags);
	if (count > 0)
		end->sent += (uint64_t)count;
	else if (!is_passing(errno)) {
		end->send_failed = end->changed = true;
		// Bytes that came before the reset are still received first.
		if (end->received >= end->limit && end->ending == ENDING_NONE)
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
	uint64_t left = end->limit - end->received;
	if (end->urgent && socket_receive(end->fd, buffer, 1, MSG_OOB | MSG_DONTWAIT) == 1)
		end->got_urgent = end->changed = true;
	ssize_t count =
		socket_receive(end->fd, buffer, left < MOST ? (size_t)left : MOST, MSG_DONTWAIT);
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

bool end_step(struct end *end)
{
	if (!end->id)
		return false;
	bool moved = can_send(end) && send_some(end);
	moved = (can_receive(end) && receive_some(end)) || moved;
	if (moved)
		end->moved_at = clock_now();
	end->changed |= moved;
	return moved;
}

struct pollfd end_watch(const struct end *end)
{
	int events = (can_send(end) ? POLLOUT : 0) | (can_receive(end) ? POLLIN : 0) |
		     (end->urgent ? POLLPRI : 0);
	if (!end->id)
		events = end->mute ? 0 : POLLIN;
	return (struct pollfd){.fd = events ? end->fd : -1, .events = (short)events};
}

bool end_is_satisfied(const struct end *end)
{
	bool waits = end->wants_end || end->received < end->wanted;
	return !end->open ||
	       (end->accepted && !has_to_send(end) && (end->ending != ENDING_NONE || !waits));
}

void end_leave(struct end *end, bool reset)
{
	const struct linger linger = {.l_onoff = 1};
	if (end->fd >= 0 && reset)
		(void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
	end->open = false;
}

const char *end_ending(const struct end *end)
{
	static const char *const texts[] = {"nothing", "FIN", "a reset"};
	return end->ending >= ENDING_ERROR ? error_text(end->number) : texts[end->ending];
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
