// One connection of the generator, from connect to its end, again and again. The thread of its
// loop; only `sent` is read by others.
#ifndef ECHOLOAD_LINK_H
#define ECHOLOAD_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "echoload/common/random.h"
#include "echoload/verify/verify.h"
#include "timers.h"
#include "usage.h"

#define LINK_RETRY (100 * NS_PER_MS) // after a connection that went wrong

struct loop;

enum link_state {
	LINK_CLOSED,	 // its timer says when to connect
	LINK_CONNECTING, // until the socket is writable
	LINK_OPEN,
	LINK_ENDING, // nothing more is sent; what is owed to us may still come, then the peer's FIN
};

// A message on its way.
struct message {
	uint64_t end;	// where it ends in the stream
	uint64_t due;	// when it was to be sent: in a closed loop, when it was
	uint64_t asked; // when it was
};

// Positions are those of the stream, which goes on over all connections that the link has had.
struct link {
	_Alignas(64) struct timer timer; // to connect; in the open loop, for its next message
	struct link *next;		 // of the same thread
	uint32_t id;			 // the payload's connection
	unsigned rank;			 // among those loaded in this period
	bool loaded;			 // it takes part in this period
	bool tried;			 // to be connected before the time begins
	int fd;
	enum link_state state;
	bool hung_up;	     // the peer's FIN has been announced: read on to the end
	int broken;	     // why sending failed, errno; 0: it has not, or after the peer's FIN
	struct link *behind; // in the queue of those that wait to connect
	bool failed;	     // it could not be connected last time
	_Atomic uint64_t sent;
	uint64_t goal;	   // where the last message begun ends
	uint64_t received; // bytes that have come, right or wrong
	uint64_t answered; // where the last message that was answered ends
	struct verify verify;

	struct message *messages; // a ring of loop->ring
	unsigned first, waiting;  // of those on their way
	uint64_t left;		  // of a visit: messages still to begin
	uint64_t due_since;	  // when its next message was due, if that has passed; else 0
	uint64_t due;		  // open loop: when the next message is,
	double after;		  // ns since the period began,
	double number;		  // and which of all it is, when they are evenly spread
	uint64_t refused_since;	  // since when it could not begin to connect; 0: it could
	uint64_t free_since;	  // when it last could have begun a message
	uint64_t moved_at;	  // when something last came, or was first waited for
	struct random random;
	struct usage_socket before; // what its socket had counted when recording began
};

// Sees to a link whose timer has come: connects it, or begins the messages that are due.
void link_wake(struct loop *loop, struct link *link, uint64_t now);

// Deals with the events that epoll tells.
void link_events(struct loop *loop, struct link *link, uint32_t events, uint64_t now);

// Ends a link that has been waited for too long. Called now and then for each.
void link_check_time(struct loop *loop, struct link *link, uint64_t now);

// The period begins: sees to it that the link is connected, or begins to send, when it should.
void link_plan(struct loop *loop, struct link *link);

// The period is over: what is still on its way is given up. A connection that owes us nothing stays
// open, unless it is for one visit.
void link_rest(struct loop *loop, struct link *link);

// There is no more period: sends FIN on a connection at rest, and gives up any other.
void link_end(struct loop *loop, struct link *link);

// Ends the connection, whatever is on its way.
void link_give_up(struct loop *loop, struct link *link);

#endif
