// Echo servers of the tests' own, each odd in a known way: a child process on a free port until the
// end of the test. One thread.
#ifndef ECHOD_TESTS_ODD_SERVER_H
#define ECHOD_TESTS_ODD_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum odd_conduct {
	ODD_ECHOES, // as it should
	ODD_SILENT, // accepts and reads, and never answers
	ODD_RESETS, // resets a connection when a byte comes
	ODD_ADDS,   // one byte more, once the client has sent its FIN
	ODD_HALVES, // echoes half of the first bytes, then ends the connection
	// Those below answer messages of ODD_MESSAGE bytes, in order on each connection; `arg` is:
	ODD_RATE,	 // how many a second it serves, in one queue for all connections
	ODD_DELAYS,	 // seconds until each is answered, any number at once
	ODD_SLOW,	 // the share of them that takes ODD_SLOWNESS
	ODD_SLOW_RESETS, // the share that takes ODD_SLOWNESS and ends in a reset
	ODD_LOSES,	 // one of how many is never answered
	ODD_REPEATS,	 // seconds until each is answered once more
	ODD_LEAVES,	 // messages on a connection, after which it is closed
	ODD_BATCHES,	 // seconds of CPU time for all that have come, and a quarter more for each
	// These have a thread for each connection; ODD_FORKS has a process for each:
	ODD_LOCKS, // seconds that each message holds a lock of all, asleep
	ODD_WORKS, // seconds of CPU time that each message takes
	ODD_FORKS, // the same
};
#define ODD_MESSAGE 64

#define ODD_SLOWNESS (100 * NS_PER_MS)

struct odd_spec {
	enum odd_conduct conduct;
	double arg;
	const char *at; // the IPv4 address that it listens on; NULL: 127.0.0.1
	int deaf;	// does not close a connection when its client has sent FIN
	// Stands still for `stop_for` ns at each whole multiple of `stop_every` of clock_now;
	// 0: never.
	uint64_t stop_every, stop_for;
};

// A time without service, planned or not, of more than ODD_STANDSTILL.
struct odd_span {
	uint64_t from, to; // clock_now
};
#define ODD_STANDSTILL (3 * NS_PER_MS)

struct odd_server {
	const char *address; // HOST:PORT
	uint16_t port;
	pid_t pid;
	struct odd_record *record; // only for odd_server.c, as `next`
	struct odd_server *next;
};

struct odd_server *odd_start(const struct odd_spec *spec);

// The same from its conduct and other fields of its odd_spec.
#define odd_server(...) odd_server_(__VA_ARGS__, )
#define odd_server_(how, ...) odd_start(&(struct odd_spec){.conduct = (how), __VA_ARGS__})

// How many connections it has accepted; how many bytes it has received.
uint64_t odd_accepted(const struct odd_server *server);
uint64_t odd_received(const struct odd_server *server);

// When it has stood still since it was started, in order. Valid until the end of the test.
const struct odd_span *odd_spans(const struct odd_server *server, size_t *count);

#endif
