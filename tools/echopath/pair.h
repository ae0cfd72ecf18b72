// Connections through the path, played by one thread: the client's end is here, and the server's
// end at the far end, which is told what to do and tells what it sees. Main thread only.
#ifndef ECHOPATH_PAIR_H
#define ECHOPATH_PAIR_H

#include "base/error.h"
#include "channel.h"

#define MOST_PAIRS 256	     // at a time
#define MOST_CONNECTIONS 768 // at the far end, with strays

// The far end as it is seen from here.
struct far {
	struct channel channel;
	const struct address *backend; // where it listens
	struct endpoint endpoint;      // where it can be reached without the proxy
	char name[ADDRESS_TEXT_SIZE];  // of its listener
	char answer[ADDRESS_WRITTEN_SIZE];
	char unable[ADDRESS_WRITTEN_SIZE]; // why nothing can be tried now; empty: it can
	unsigned last_id;
	struct end *ends[MOST_PAIRS]; // those at the far end, by their IDs
};

struct pair {
	struct end client, server;
};

// Starts a far end that listens at `backend` on this machine, or uses the one that --serve runs at
// `address`, unless that is NULL. Returns 0, or -1 with `error`.
int far_open(struct far *far, const struct address *address, const struct address *backend,
	     uint64_t timeout, struct echod_error *error);

void far_close(struct far *far);

// Resets all connections at the far end, and has it listen, `accept`; refuse connections, `refuse`;
// or not answer SYN, `dead`. Returns NULL, or why it cannot (`unable`).
const char *far_listen(struct far *far, const char *how);

// Notes why nothing can be tried, unless there is a reason already.
void far_fail(struct far *far, const char *why);

void pair_init(struct pair *pair);
void pair_close(struct pair *pair); // with resets

// The next connection that reaches the far end is the pair's: the one that names it in its first
// bytes (pair_hello), or `any`.
void pair_claim(struct pair *pair, struct far *far, bool any);

// Sends the first bytes, which are no part of any count. Returns whether they could be sent.
bool pair_hello(const struct pair *pair);

// Adds `count` bytes to those that `from` is to send, and to those that `to` waits for.
void end_put(struct end *from, struct end *to, uint64_t count);

// Has what was ordered of the far end in force before anything else, then sends and receives on all
// ends until all are satisfied (end.h). Returns false if nothing moves for `timeout` ns before
// that. All servers are at the same far end; those that were not claimed do nothing.
bool play(struct pair *pairs, size_t count, uint64_t timeout);

// The same for exactly `duration` ns, whatever comes.
void play_for(struct pair *pairs, size_t count, uint64_t duration);

// For both machines: steps those ends that are here; waits until one can move, a descriptor is
// readable (-1: none), or the deadline has come.
bool step_pairs(struct pair *pairs, size_t count);
void wait_for_pairs(struct pair *pairs, size_t count, int channel, int listener, uint64_t deadline);

// Closes it as close(2) does, or with a reset, unless it is closed.
void end_close(struct end *end);
void end_reset(struct end *end);

#endif
