// Servers inside the test's own process, on free ports of loopback. Main thread.
#ifndef ECHOD_UNIT_INSIDE_H
#define ECHOD_UNIT_INSIDE_H

#include "server/server.h"

struct inside {
	struct server_config config; // to be changed between inside_configure and inside_start
	struct log log;
	atomic_uint lines; // that went to the log
	struct server server;
};

// The server that the functions are of: the first, until a test says which of two.
extern struct inside *inside;
void inside_use(size_t which);

// The defaults of echod(8), but 2 workers, at most 64 connections, and `127.0.0.1:0`.
void inside_configure(void);

// Adds an address to listen on; the first one replaces `127.0.0.1:0`.
void inside_listen(const char *address);

// Calls server_build.
int inside_build(struct echod_error *error);

// From server_build to server_open; a failure fails the test. The other configures it first.
void inside_start(void);
void inside_begin(void);

// Aborts what is left, joins, frees.
void inside_end(void);

// The address of the first listener.
const char *inside_address(void);

// Connects `count` clients to it.
void inside_connect(int *clients, size_t count);

// Whether, after server_drain, the last connection ends within so many ns; waits for that.
bool inside_is_done(uint64_t ns);
void inside_expect_done(void);

// A counter or gauge as it is now.
uint64_t inside_counter(enum counter counter);
uint64_t inside_gauge(enum gauge gauge);

// For 200 ms that thread, which nothing is to wake, stays where it waits; but every second it may
// look around.
void inside_expect_rest(size_t thread);

// Whether there is no room to send, and the server waits, with a worker or parked, for us to read.
// As nobody reads, that does not change. It withholds the same before and after its state is read.
bool inside_is_stuck(int client);

#endif
