// The plan of one connection to a --faulty address: which of the faults befall it, decided once,
// when it is accepted, from the seed and the connection's number at that address. Each fault has a
// random sequence of its own, so another fault beside it changes nothing of it. The sequences can
// be read at any place, so a fault depends on its place in the stream alone, not on how the bytes
// come.
#ifndef ECHOD_FAULT_PLAN_H
#define ECHOD_FAULT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/set.h"

#define FAULT_STRETCH 16 // bytes that are lost or repeated at a time
#define FAULT_MARKS 16

// Bytes that came together, up to `end` of the stream, and when they are to be answered.
struct fault_mark {
	uint64_t end;
	uint64_t due; // clock_now
};

// What was injected.
struct fault_receipt {
	uint32_t count[INJECTIONS];
	const char *last; // the latest, NULL: none; and at which byte it was
	uint64_t last_at;
};

// Belongs to the owner of the connection. All zero at first, except `set` and `random`.
struct fault_plan {
	struct fault_set set; // with those kinds alone that befall this connection
	uint64_t random;      // what its sequences begin with
	uint64_t taken;	      // bytes received
	uint64_t passed;      // of its answer: bytes sent, or withheld by INJECT_silent

	struct fault_mark marks[FAULT_MARKS]; // INJECT_delay, in order
	unsigned mark_count;
	uint64_t pieces;     // how many delays were drawn
	uint64_t marked;     // bytes that have come and have a mark
	uint64_t end_due;    // when the peer's end is to be noticed; 0: it has not come
	uint64_t trickle_at; // when the next bytes may go

	char stretch[FAULT_STRETCH]; // INJECT_repeat: the bytes that go twice,
	unsigned again;		     // and how many of them are still to go again

	bool is_cut;
	enum injection cut;    // what has ended the echo
	uint64_t cut_deadline; // until when that may take
	bool resets;	       // it ends with a reset
	bool is_spoilt;	       // the peer did not get its echo as it should
	bool peer_ended;       // its stream, before we ended ours
	struct fault_receipt receipt;
};

// Makes the plan of the connection with this number. Returns its kinds; 0: nothing befalls it.
uint32_t fault_plan_make(struct fault_plan *plan, const struct fault_set *set, uint64_t number);

// Number `index` of the random sequence of `kind`; number 0 has decided whether it befalls the
// connection.
uint64_t fault_random(const struct fault_plan *plan, enum injection kind, uint64_t index);

// Where the stretch begins that is altered in the block of the stream that holds `position`; a
// block has as many bytes as the value of `kind`, a stretch as many as fault_width says.
uint64_t fault_stretch(const struct fault_plan *plan, enum injection kind, uint64_t position);
unsigned fault_width(enum injection kind);

// The next fault that cuts the connection, and after how many more bytes of the answer; INJECTIONS
// if there is none.
enum injection fault_next_cut(const struct fault_plan *plan, uint64_t *bytes);

// Notes that all bytes up to `end` have come by `now`, and draws their delay. Returns whether there
// were new ones.
bool fault_mark(struct fault_plan *plan, uint64_t end, uint64_t now);

// When something that comes now is to be answered; never before what came earlier.
uint64_t fault_draw_due(struct fault_plan *plan, uint64_t now);

#endif
