// What one thread of the generator counts. It writes to a book of its own; when the main thread
// asks, it opens the other one and leaves the first to the main thread, which adds it up and gives
// it back empty. So nothing is counted twice, nothing is locked and nothing is lost.
#ifndef ECHOLOAD_TALLY_H
#define ECHOLOAD_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "echoload/common/hdr.h"
#include "echoload/verify/verify.h"
#include "errors.h"

#define BOOK_FAULTS 4096 // kept of each thread and interval; more are counted

struct book {
	struct hdr latency;	// from when the message was due (open loop) or sent, to its echo
	struct hdr uncorrected; // open loop: from when it was sent
	struct hdr lateness;	// open loop: how late the generator itself was
	uint64_t messages;	// echoed in full within the window
	uint64_t answered;	// the same, whenever it was
	uint64_t bytes;		// received
	uint64_t verified;
	uint64_t visits;     // connections ended as they should (churn, half-close)
	uint64_t due;	     // messages that became due (open loop)
	uint64_t unanswered; // messages given up; in `latency` with the time until then
	struct load_errors errors;
	uint64_t fault_count;
	struct fault faults[BOOK_FAULTS];
};

struct tally {
	struct book books[2];
	struct book *open;	    // the thread's
	_Atomic unsigned asked;	    // by the main thread: how many books should have been closed
	_Atomic unsigned closed;    // by the thread: how many have been
	_Atomic unsigned live;	    // connections that are open
	_Atomic unsigned connected; // connects so far
	_Atomic unsigned failed;    // links that could not be connected at least once
};

// How far a run has come.
struct progress {
	uint64_t elapsed;   // ns of recording
	unsigned live;	    // connections open
	unsigned connected; // connects so far
	unsigned failed;    // connections that could not be made at least once
};

void tally_init(struct tally *tally);

// The thread: closes the open book if that was asked for.
void tally_turn(struct tally *tally);

// The main thread: asks for the open book. Then, once it is closed: takes it, until the next
// tally_ask; NULL: not closed yet.
void tally_ask(struct tally *tally);
const struct book *tally_take(struct tally *tally);

void book_add(struct book *sum, const struct book *book);
void book_reset(struct book *book);

#endif
