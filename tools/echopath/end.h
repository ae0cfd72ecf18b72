// The two ends of a connection, played by one thread: what each has to send and waits for, and what
// it has seen. Main thread only.
#ifndef ECHOPATH_END_H
#define ECHOPATH_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ending { ENDING_NONE, ENDING_FIN, ENDING_RESET, ENDING_ERROR };

struct end {
	int fd; // -1: closed
	const char *name;
	unsigned salt;		// the two ends send different bytes
	uint64_t to_send, sent; // bytes in all, from the beginning of the connection
	size_t piece;		// bytes that a call sends at most; 0: many
	bool fin, fin_sent;	// FIN follows the last byte
	bool fin_with_last;	// in the same segment
	bool deaf;		// reads nothing
	uint64_t wanted, received;
	uint64_t first_wrong; // offset of the first byte that is not the one sent; UINT64_MAX: none
	bool wants_end, send_failed;
	enum ending ending;
	int number;	   // errno of ENDING_ERROR
	uint64_t ended_at; // monotonic, ns
};

// A connection through the path: the client's end, and the server's end as it was accepted.
struct pair {
	struct end client, server;
};

void pair_init(struct pair *pair);
void pair_close(struct pair *pair); // with resets

// Adds `count` bytes to those that `from` is to send, and to those that `to` waits for.
void end_put(struct end *from, struct end *to, uint64_t count);

// Sends and receives on all ends, until each has sent what it is to send and has seen what it waits
// for, or has ended. Returns false if nothing moves for `timeout` ns before that.
bool play(struct pair *pairs, size_t count, uint64_t timeout);

// The same for exactly `duration` ns, whatever comes.
void play_for(struct pair *pairs, size_t count, uint64_t duration);

// Closes it as close(2) does, or with a reset (SO_LINGER of 0, socket(7)), unless it is closed.
void end_close(struct end *end);
void end_reset(struct end *end);

// What the end has seen, such as `client got 0 of 1000 bytes, then FIN`. Returns `text`.
#define END_TEXT_SIZE 120
char *end_format(const struct end *end, char *text);

// How it has ended, `nothing` if it has not. The storage is static.
const char *end_ending(const struct end *end);

#endif
