// One end of a connection: what it is to do, and what it has seen. One thread.
#ifndef ECHOPATH_END_H
#define ECHOPATH_END_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

enum ending { ENDING_NONE, ENDING_FIN, ENDING_RESET, ENDING_ERROR };
enum leave { LEAVE_NOT, LEAVE_CLOSE, LEAVE_RESET };

#define END_LINE 480 // its orders or facts as a line of the side channel (channel.h)

struct end {
	int fd;		 // -1: none, or a socket of the far end's
	struct far *far; // where that is; NULL: here
	const char *name;
	unsigned id;   // of the connection, from 1; 0: nobody's
	unsigned salt; // the two ends send different bytes
	bool open, accepted;

	// Orders.
	uint64_t to_send; // bytes in all, from the beginning of the connection
	uint64_t answers; // if not 0: a byte for as many that have come, in place of to_send
	size_t piece;	  // bytes that a call sends at most; 0: many
	uint64_t limit;	  // bytes that are read in all
	bool waits;	  // sends only `pause` ns after it has seen an end
	uint64_t pause;
	bool fin;	    // follows the last byte
	bool fin_with_last; // in the same segment
	bool urgent;	    // sends the second byte as urgent, and looks for such a byte
	bool mute;	    // sends no more
	bool any;	    // the next connection is its own, without first bytes that name it
	enum leave leave;

	uint64_t wanted; // what is waited for: bytes in all
	bool wants_end;

	// Facts.
	uint64_t sent, received;
	uint64_t first_wrong; // offset of the first byte that is not the one sent; UINT64_MAX: none
	bool fin_sent, send_failed, got_urgent;
	enum ending ending;
	int number;	// errno of ENDING_ERROR
	uint64_t quiet; // ns that nothing had moved here when it ended
	char peer[ADDRESS_TEXT_SIZE];

	uint64_t moved_at, ended_at; // of this machine's clock, ns
	bool changed;		     // since the last report
	char told[END_LINE];	     // the last line of orders
};

// The fields that a line has, in this order.
#define END_ORDERS(X) \
	X(to_send)    \
	X(answers)    \
	X(piece)      \
	X(limit) X(waits) X(pause) X(fin) X(fin_with_last) X(urgent) X(mute) X(any) X(leave)
#define END_FACTS(X) \
	X(sent)      \
	X(received)  \
	X(first_wrong) X(fin_sent) X(send_failed) X(got_urgent) X(ending) X(number) X(quiet)

// Neither end's: it is closed, and nothing is ordered.
struct end end_none(const char *name, unsigned salt);

// Takes over a connected, non-blocking socket.
void end_take(struct end *end, int fd);

// Sends and receives what is possible. Returns whether something moved.
bool end_step(struct end *end);

// What poll(2) is to watch, and when there is something to do without it; CLOCK_NEVER: never.
struct pollfd end_watch(const struct end *end);
uint64_t end_due(const struct end *end);

// Whether it has sent what it is to send and has seen what it waits for, or has ended.
bool end_is_satisfied(const struct end *end);

// Closes the socket, if any, as close(2) does or with a reset (SO_LINGER of 0, socket(7)).
void end_leave(struct end *end, bool reset);

// What the end has seen, such as `client got 0 of 1000 bytes, then FIN`. Returns `text`.
#define END_TEXT_SIZE 120
char *end_format(const struct end *end, char *text);

// How it has ended, `nothing` if it has not. The storage is static.
const char *end_ending(const struct end *end);

#endif
