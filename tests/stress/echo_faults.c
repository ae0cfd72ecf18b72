// Faulty clients of the echo. One thread.
#include <sys/socket.h>

#include "fault.h"
#include "peer.h"
#include "process.h"

#define PIECE 16384

// The result of an attempt to receive.
enum heard { HEARD_OPEN, HEARD_END, HEARD_RESET };

bool fault_close(struct fault_client *client) {
	peer_close(client->fd);
	return false;
}

// At once, as of a kind of client.
static bool begin_reset(struct fault_client *client) {
	peer_reset(client->fd);
	return false;
}

bool fault_leave(struct fault_client *client) {
	return pattern_number(&client->numbers, 0, 1) ? fault_close(client) : begin_reset(client);
}

bool fault_stay(struct fault_client *client) {
	if (client->until == 0)
		client->until = clock_deadline(pattern_number(&client->numbers, 1, 15) * NS_PER_S);
	return clock_now() < client->until || fault_leave(client);
}

// Sends of its stream what the kernel takes, `size` bytes at most. Returns false once the server
// has aborted it.
static bool say(struct fault_client *client, uint64_t size) {
	char piece[PIECE];
	size_t part = size < sizeof(piece) ? (size_t)size : sizeof(piece);
	pattern_fill(client->seed, client->sent, piece, part);
	int64_t sent = peer_send_some(client->fd, piece, part);
	client->sent += sent > 0 ? (uint64_t)sent : 0;
	return sent >= 0;
}

// Receives what is there: nothing but its own bytes, in order.
static enum heard hear(struct fault_client *client) {
	char piece[PIECE], expected[PIECE];
	ssize_t got;
	while ((got = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
		if (client->received + (uint64_t)got > client->sent)
			fail_msg("%zd bytes too many", got);
		pattern_fill(client->seed, client->received, expected, (size_t)got);
		if (memcmp(piece, expected, (size_t)got) != 0)
			fail_msg("wrong bytes at offset %ju", (uintmax_t)client->received);
		client->received += (uint64_t)got;
	}
	if (got == 0)
		return HEARD_END;
	return errno == EAGAIN ? HEARD_OPEN : HEARD_RESET;
}

// Connects and says nothing.
static bool go_on_silent(struct fault_client *client) {
	return hear(client) == HEARD_OPEN ? fault_stay(client) : fault_close(client);
}

// Sends a part of something and vanishes, now or a little later, with its echo read or not.
static bool begin_half_message(struct fault_client *client) {
	bool open = say(client, pattern_number(&client->numbers, 1, PIECE));
	return (open && pattern_number(&client->numbers, 0, 1)) || fault_leave(client);
}

static bool go_on_half_message(struct fault_client *client) {
	if (pattern_number(&client->numbers, 0, 1))
		hear(client);
	return fault_leave(client);
}

// Sends for as long as anything goes, and never reads.
static bool go_on_deaf(struct fault_client *client) {
	uint64_t before;
	do {
		before = client->sent;
		if (!say(client, PIECE))
			return fault_close(client);
	} while (client->sent > before);
	return fault_stay(client);
}

// Waits for the end of the stream, which has to come, in order and after the last byte.
static bool await_end(struct fault_client *client) {
	enum heard heard = hear(client);
	if (heard == HEARD_OPEN) {
		if (clock_now() >= client->until)
			fail_msg("no end of the stream after %ju of %ju bytes",
				 (uintmax_t)client->received, (uintmax_t)client->sent);
		return true;
	}
	if (heard == HEARD_RESET || client->received < client->sent)
		fail_msg("%s after %ju of %ju bytes", heard == HEARD_RESET ? "reset" : "ended",
			 (uintmax_t)client->received, (uintmax_t)client->sent);
	return fault_close(client);
}

static void begin_awaiting_end(struct fault_client *client) {
	peer_half_close(client->fd);
	client->ending = true;
	client->until = clock_deadline(PATIENCE);
}

// Sends a byte at a time, slow but not wrong: it gets all of it back.
static bool begin_trickle(struct fault_client *client) {
	client->goal = pattern_number(&client->numbers, 1, 200);
	return true;
}

static bool go_on_trickle(struct fault_client *client) {
	if (client->ending)
		return await_end(client);
	if (!say(client, 1) || hear(client) != HEARD_OPEN)
		fail_msg("aborted after %ju bytes", (uintmax_t)client->sent);
	if (client->sent >= client->goal)
		begin_awaiting_end(client);
	return true;
}

// Does not read while it sends, or not until every buffer on the way is full, and then reads all:
// late but not wrong.
static bool begin_late(struct fault_client *client) {
	client->goal = pattern_number(&client->numbers, 1, 8 << 20);
	client->until = clock_deadline(pattern_number(&client->numbers, 0, 1500) * NS_PER_MS);
	return true;
}

static bool go_on_late(struct fault_client *client) {
	if (client->ending)
		return await_end(client);
	uint64_t before;
	bool aborted = false;
	do {
		before = client->sent;
		aborted = !say(client, client->goal - client->sent);
	} while (client->sent > before && client->sent < client->goal);
	if (clock_now() < client->until && !aborted)
		return true;
	if (aborted || hear(client) != HEARD_OPEN)
		fail_msg("aborted after %ju bytes", (uintmax_t)client->sent);
	if (client->sent == client->goal)
		begin_awaiting_end(client);
	return true;
}

// Ends its side before it has said anything, and is answered with an end.
static bool begin_half_close(struct fault_client *client) {
	begin_awaiting_end(client);
	return true;
}

// Sends something and its end, and resets all the same.
static bool begin_fin_and_reset(struct fault_client *client) {
	if (say(client, pattern_number(&client->numbers, 1, PIECE)))
		shutdown(client->fd, SHUT_WR); // the server may have aborted it
	return pattern_number(&client->numbers, 0, 1) || begin_reset(client);
}

// Meets the faults of --faulty: what comes back may be anything.
static bool go_on_victim(struct fault_client *client) {
	char piece[PIECE];
	ssize_t got;
	bool open = say(client, pattern_number(&client->numbers, 1, PIECE));
	while (open && (got = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
		;
	if (!open || got == 0 || errno != EAGAIN)
		return fault_close(client);
	return client->sent < 100000 ? fault_stay(client) : fault_leave(client);
}

const struct fault echo_faults[] = {
	{"silent", AT_ANY, 50, 50, NULL, go_on_silent},
	{"reset at once", AT_ANY, 4, 10, begin_reset, NULL},
	{"quick", AT_ANY, 32, 20, fault_close, NULL},
	{"half a message", AT_ANY, 8, 10, begin_half_message, go_on_half_message},
	{"never reads", AT_ANY, 8, 50, NULL, go_on_deaf},
	{"reads late", AT_ANY, 6, 10, begin_late, go_on_late},
	{"byte by byte", AT_ANY, 8, 10, begin_trickle, go_on_trickle},
	{"half-close at once", AT_ANY, 8, 10, begin_half_close, await_end},
	{"FIN, then reset", AT_ANY, 8, 10, begin_fin_and_reset, begin_reset},
	{"flood", AT_FIRST, 32, 2, begin_reset, NULL},
	{"victim of --faulty", AT_FLAWED, 16, 5, NULL, go_on_victim},
};
const size_t echo_fault_count = sizeof(echo_faults) / sizeof(echo_faults[0]);
