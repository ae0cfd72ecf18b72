// A server inside the test's own process, on a free port of loopback. Main thread.
#ifndef ECHOD_UNIT_INSIDE_H
#define ECHOD_UNIT_INSIDE_H

#include "server/server.h"

struct inside {
	struct server_config config; // to be changed between inside_configure and inside_start
	struct log log;
	atomic_uint lines; // that went to the log
	struct server server;
};

// The defaults of echod(8), but 2 workers, at most 64 connections, and `127.0.0.1:0`.
void inside_configure(struct inside *inside);

// Adds an address to listen on; the first one replaces `127.0.0.1:0`.
void inside_listen(struct inside *inside, const char *address);

// From server_build to server_open; a failure fails the test.
void inside_start(struct inside *inside);

// Aborts what is left, joins, frees.
void inside_end(struct inside *inside);

// The address of the first listener.
const char *inside_address(const struct inside *inside);

// Connects `count` clients to it.
void inside_connect(const struct inside *inside, int *clients, size_t count);

// Whether, after server_drain, the last connection ends within so many ns.
bool inside_is_done(const struct inside *inside, uint64_t ns);

// A counter or gauge as it is now.
uint64_t inside_counter(struct inside *inside, enum counter counter);
uint64_t inside_gauge(struct inside *inside, enum gauge gauge);

// Whether there is no room to send, and the server waits, with a worker or parked, for us to read.
// As nobody reads, that does not change. It withholds the same before and after its state is read.
bool inside_is_stuck(struct inside *inside, int client);

#endif
