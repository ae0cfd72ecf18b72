// Clients of the server under test: streams of known random bytes. One thread.
#include <sys/socket.h>

#include "peer.h"
#include "process.h"

#define PIECE 65536
#define FILL_TRIES 50 // 2 ms apart, without a byte sent

// splitmix64: any word of the stream without those before it.
static uint64_t word_at(uint64_t seed, uint64_t index) {
	uint64_t word = seed * UINT64_C(0xD1342543DE82EF95) + index * UINT64_C(0x9E3779B97F4A7C15);
	word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
	return word ^ (word >> 31);
}

void pattern_fill(uint64_t seed, uint64_t offset, void *bytes, size_t size) {
	for (char *at = bytes; size > 0;) {
		uint64_t word = word_at(seed, offset / sizeof(word));
		size_t skip = offset % sizeof(word);
		size_t part = sizeof(word) - skip < size ? sizeof(word) - skip : size;
		memcpy(at, (const char *)&word + skip, part);
		at += part;
		offset += part;
		size -= part;
	}
}

uint64_t pattern_number(uint64_t *state, uint64_t least, uint64_t most) {
	return least + word_at(1, (*state)++) % (most - least + 1);
}

// Sends as much as the kernel takes now.
static void send_piece(struct stream *stream) {
	static char piece[PIECE];
	size_t chunk = stream->chunk && stream->chunk < PIECE ? stream->chunk : PIECE;
	uint64_t left = stream->total - stream->sent;
	size_t size = left < chunk ? (size_t)left : chunk;
	pattern_fill(stream->seed, stream->sent, piece, size);
	int64_t sent = peer_send_some(stream->fd, piece, size);
	if (sent < 0)
		fail_msg("cannot send at offset %ju: %s", (uintmax_t)stream->sent, strerror(errno));
	stream->sent += (uint64_t)sent;
	if (stream->sent == stream->total && stream->half_close)
		peer_half_close(stream->fd);
}

static void compare(const struct stream *stream, const char *piece, size_t size) {
	static char expected[PIECE];
	pattern_fill(stream->seed, stream->received, expected, size);
	if (memcmp(piece, expected, size) == 0)
		return;
	size_t same = 0;
	while (piece[same] == expected[same])
		same++;
	fail_msg("wrong byte at offset %ju of stream %ju", (uintmax_t)(stream->received + same),
		 (uintmax_t)stream->seed);
}

static void receive_piece(struct stream *stream) {
	static char piece[PIECE];
	ssize_t got = recv(stream->fd, piece, sizeof(piece), MSG_DONTWAIT);
	if (got < 0)
		fail_msg("cannot receive at offset %ju: %s", (uintmax_t)stream->received,
			 strerror(errno));
	if (got == 0 && (!stream->half_close || stream->received < stream->total))
		fail_msg("the server ended the stream at offset %ju of %ju",
			 (uintmax_t)stream->received, (uintmax_t)stream->total);
	if (stream->received + (uint64_t)got > stream->sent)
		fail_msg("more came back than was sent");
	compare(stream, piece, (size_t)got);
	stream->received += (uint64_t)got;
	stream->done = stream->half_close ? got == 0 : stream->received == stream->total;
}

static short wanted_events(const struct stream *stream) {
	return (short)(POLLIN | (stream->sent < stream->total ? POLLOUT : 0));
}

// Waits until one of them can go on.
static void wait_for_any(const struct stream *streams, struct pollfd *ready, size_t count) {
	for (size_t i = 0; i < count; i++) {
		ready[i].fd = streams[i].done ? -1 : streams[i].fd;
		ready[i].events = wanted_events(&streams[i]);
	}
	if (poll(ready, count, (int)(PATIENCE / NS_PER_MS)) <= 0)
		fail_msg("no stream of %zu goes on", count);
}

static void go_on(struct stream *stream, short events) {
	if (!stream->done && (events & POLLOUT))
		send_piece(stream);
	if (!stream->done && (events & (POLLIN | POLLHUP | POLLERR)))
		receive_piece(stream);
}

void stream_step(struct stream *stream) {
	struct pollfd ready = {.fd = stream->fd, .events = wanted_events(stream)};
	if (!stream->done && poll(&ready, 1, 0) == 1)
		go_on(stream, ready.revents);
}

void stream_fill(struct stream *streams, size_t count) {
	for (int quiet = 0; quiet < FILL_TRIES; quiet++) {
		for (size_t i = 0; i < count; i++) {
			uint64_t before = streams[i].sent;
			struct pollfd room = {.fd = streams[i].fd, .events = POLLOUT};
			if (before < streams[i].total && poll(&room, 1, 0) == 1)
				send_piece(&streams[i]);
			quiet = streams[i].sent > before ? 0 : quiet;
		}
		poll(NULL, 0, quiet > 0 ? 2 : 0);
	}
}

void stream_run(struct stream *streams, size_t count) {
	struct pollfd *ready = calloc(count, sizeof(*ready));
	assert_non_null(ready);
	for (size_t i = 0; i < count; i++)
		if (streams[i].sent == streams[i].total && streams[i].half_close)
			peer_half_close(streams[i].fd);
	for (size_t left = count; left > 0;) {
		wait_for_any(streams, ready, count);
		left = 0;
		for (size_t i = 0; i < count; i++) {
			go_on(&streams[i], ready[i].revents);
			left += !streams[i].done;
		}
	}
	free(ready);
}

struct stream stream_open(const char *address, uint64_t seed, uint64_t total) {
	return (struct stream){peer_connect(address), seed, total, .half_close = true};
}

void stream_finish(struct stream *streams, size_t count) {
	stream_run(streams, count);
	for (size_t i = 0; i < count; i++)
		peer_close(streams[i].fd);
}

uint64_t peer_fill(int fd, uint64_t seed, uint64_t most) {
	struct stream stream = {.fd = fd, .seed = seed, .total = most};
	stream_fill(&stream, 1);
	return stream.sent;
}

void peer_echo(int fd, uint64_t seed, uint64_t total) {
	stream_run(&(struct stream){.fd = fd, .seed = seed, .total = total}, 1);
}
