// Clients of the server under test: plain sockets, bytes that a seed and an offset determine, and
// streams that send and check many of them at once. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_PEER_H
#define ECHOD_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

// The endpoint at such an address.
struct endpoint peer_endpoint(const char *address);

// Connects to `127.0.0.1:PORT`, `[::1]:PORT` or `unix:PATH`. Asserts that it is not connected to
// itself, as TCP on the loopback can be. The caller closes it, or one of the functions below does.
int peer_connect(const char *address);

void peer_connect_all(const char *address, int *fds, size_t count);

// The same from the given address of ours, `127.0.0.2` or `[::1]`, NULL for any. Returns -1 with
// errno when refused.
int peer_try_connect(const char *text, const char *source);

// The same as peer_connect with a receive buffer of `bytes`, or a little more.
int peer_connect_narrow(const char *text, int bytes);

// Sends all; receives exactly `size` bytes; receives exactly `text`.
void peer_send(int fd, const void *bytes, size_t size);
void peer_receive(int fd, void *bytes, size_t size);
void peer_expect_text(int fd, const char *text);

// Sends as much as the kernel takes now, at most `size` bytes. Returns how many, -1 with errno on a
// failure.
int64_t peer_send_some(int fd, const void *bytes, size_t size);

// Sends the stream `seed` without reading, until all of `most` bytes are sent or none can be sent
// for a while, because every buffer there and back is full. Returns how many bytes were sent.
uint64_t peer_fill(int fd, uint64_t seed, uint64_t most);

// One message there and back; the last one before it is closed.
void peer_ping(int fd);
void peer_ping_last(int fd);

// Connects and pings; and closes it.
int peer_connect_served(const char *address);
void peer_visit(const char *address);

// Asserts that nothing has arrived, and no end either.
void peer_expect_quiet(int fd);

// Whether bytes or the end can be received now.
bool peer_is_readable(int fd);

// Waits for: the end of the stream, without a byte before; a reset, after any bytes; either, after
// any bytes. Closes it.
void peer_expect_eof(int fd);
void peer_expect_reset(int fd);
void peer_expect_closed(int fd);

// Connects and expects a reset without a byte before.
void peer_expect_rejected(const char *address, const char *source);

void peer_half_close(int fd);
void peer_close(int fd);
void peer_close_all(const int *fds, size_t count);

// Closes it with a reset.
void peer_reset(int fd);

// A TCP port without a listener, below the range of ephemeral ports.
uint16_t peer_free_port(void);

// Listens on a free port of 127.0.0.1, or of the address `at`, left in `port`; `flags` are those of
// socket(2) besides its type. The caller closes it.
int peer_listen(int flags, int backlog, uint16_t *port);
int peer_listen_at(const char *at, int flags, int backlog, uint16_t *port);

// Whether a program listens on that IPv4 port; does not connect.
bool peer_port_listens(uint16_t port);

// The bytes from `offset` on of the endless random stream that `seed` determines.
void pattern_fill(uint64_t seed, uint64_t offset, void *bytes, size_t size);

// The next number of `*state`, from `least` to `most`.
uint64_t pattern_number(uint64_t *state, uint64_t least, uint64_t most);

// Sends the first `total` bytes of the stream `seed` while it receives and compares them.
struct stream {
	int fd;
	uint64_t seed;
	uint64_t total;
	size_t chunk;		 // bytes a call sends at most; 0: as many as possible
	bool half_close;	 // after the last byte, and expects the server's end after its last
	uint64_t sent, received; // before the run too, if anything was
	bool done;
};

// Connects for a stream that ends with a half-close.
struct stream stream_open(const char *address, uint64_t seed, uint64_t total);

// Runs them all at once to their ends; and closes them.
void stream_run(struct stream *streams, size_t count);
void stream_finish(struct stream *streams, size_t count);

// Sends without reading, until all is sent or none can send for a while.
void stream_fill(struct stream *streams, size_t count);

// Sends and receives a piece, if that is possible now.
void stream_step(struct stream *stream);

// One stream of `total` bytes.
void peer_echo(int fd, uint64_t seed, uint64_t total);

#endif
