// The side channel of echopath: its lines, what the far end obeys, and what the near end believes.
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "test.h"
// NOLINTNEXTLINE(bugprone-suspicious-include): what obeys is its own
#include "echopath/far.c"
#include "fuzz.h"

static struct channel channel;
static int other = -1; // its other end

static void begin(struct channel *mine, const char *bytes, size_t size) {
	int ends[2];
	ensure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	ensure(size == 0 || write(ends[1], bytes, size) == (ssize_t)size);
	channel_open(mine, ends[0]);
	other = ends[1];
}

static void finish(int fd) {
	close(fd);
	close(other);
}

// The lines are the same in pieces of any size.
static void read_pieces(const char *at, size_t size, size_t piece) {
	const char *line, *end = at + size, *begun = at;
	begin(&channel, NULL, 0);
	for (size_t sent = 0, count; sent < size; sent += count) {
		count = size - sent < piece ? size - sent : piece;
		ensure(write(other, begun + sent, count) == (ssize_t)count);
		while ((line = channel_read(&channel))) {
			const char *newline = memchr(at, '\n', (size_t)(end - at));
			ensure(newline && newline < begun + sent + count);
			ensure(fuzz_is_same(line, at, (size_t)(newline - at)));
			ensure(!line[newline - at]);
			at = newline + 1;
		}
		ensure(!channel.lost && !memchr(at, '\n', (size_t)(begun + sent + count - at)));
	}
	shutdown(other, SHUT_WR);
	ensure(!channel_read(&channel) && channel.lost);
	finish(channel.fd);
}

// Nowhere.
WRAP(int, listener_bind,
     (struct listener * listener, const struct endpoint *endpoint, bool reuse_port,
      struct echod_error *error)) {
	return other < 0 ? __real_listener_bind(listener, endpoint, reuse_port, error)
			 : error_set(error, ECHOD_ERROR_SYSTEM, "not here");
}

// What was ordered is told as it was understood.
static void expect_orders(const struct end *end) {
	struct end again = *end;
	char once[END_LINE], twice[END_LINE];
	channel_write_orders(end, once);
	channel_read_orders(&again, strchr(once + sizeof("end"), ' '));
	channel_write_orders(&again, twice);
	ensure(strcmp(once, twice) == 0 && once[strlen(once) - 1] == '\n');
}

static void obey_all(const char *bytes, size_t size) {
	static struct session session = {.listener.fd = -1, .filler = -1};
	char *line, reply[1024];
	unsigned id;
	session.count = 0;
	begin(&session.channel, bytes, size);
	while ((line = channel_read(&session.channel)) && obey(&session, line)) {
		ssize_t length = recv(other, reply, sizeof(reply), MSG_DONTWAIT);
		bool is_order = sscanf(line, "end %u", &id) == 1;
		ensure(is_order ? length < 0
				: length > 0 && memchr(reply, '\n', (size_t)length) ==
							reply + length - 1);
		ensure(is_order || (strcmp(line, "sync") == 0) == (strncmp(reply, "sy", 2) == 0));
		const struct end *end = is_order ? find(&session, id) : NULL;
		if (end)
			expect_orders(end);
		ensure(!end || id || end->to_send == 0); // nobody's
	}
	step_pairs(session.pairs, session.count);
	finish(session.channel.fd);
}

// Facts, as they come after an order was given to end 1.
static void believe(const char *bytes, size_t size) {
	static struct far far;
	struct pair pair;
	char text[END_TEXT_SIZE], once[END_LINE], twice[END_LINE];
	far = (struct far){0};
	begin(&far.channel, bytes, size);
	shutdown(other, SHUT_WR);
	pair_init(&pair);
	pair_claim(&pair, &far, true);
	ensure(!play(&pair, 1, 0) && far.unable[0] && far.channel.lost);
	struct end *end = &pair.server, again = *end;
	ensure(strlen(end_format(end, text)) < END_TEXT_SIZE - 1 && *end_ending(end));
	channel_write_facts(end, once);
	if (end->accepted) {
		channel_read_facts(&again, strchr(once + sizeof("state 1"), ' '));
		channel_write_facts(&again, twice);
		ensure(strcmp(once, twice) == 0 && once[strlen(once) - 1] == '\n');
	}
	pair_close(&pair);
	finish(far.channel.fd);
}

PARSER(channel) {
	for (size_t piece = 1 + size / 64; piece <= size; piece *= 7)
		read_pieces(bytes, size, piece);
	obey_all(bytes, size);
	believe(bytes, size);
	other = -1;
}
