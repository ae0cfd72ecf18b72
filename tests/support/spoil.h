// One fault on purpose in what comes back on a connection of echoload's, and what is to be said of
// it (echoload/verify.h). A pure function of a seed: any thread.
#ifndef ECHOD_TESTS_SPOIL_H
#define ECHOD_TESTS_SPOIL_H

#include "echoload/common/random.h"
#include "echoload/verify/verify.h"

enum spoil_kind {
	SPOIL_FLIP,	      // 1 to 8 bits within 1 to 16 bytes
	SPOIL_DROP,	      // a range
	SPOIL_REPEAT,	      // the range just before
	SPOIL_REPEAT_EARLIER, // a range before that
	SPOIL_SWAP,	      // two neighbouring ranges
	SPOIL_CROSS,	      // a range of another connection, in place
	SPOIL_CROSS_ADDED,    // in addition
	SPOIL_INJECT,	      // random bytes in addition
	SPOIL_OVERWRITE,      // random bytes in place
	SPOIL_TRUNCATE,
	SPOIL_APPEND,
	SPOIL_KINDS,
};

#define SPOIL_MOST 10000		  // bytes of a range
#define SPOIL_BYTES (2 * SPOIL_MOST + 16) // that come instead of others, at most

struct spoil {
	enum spoil_kind kind;
	const struct payload *payload;
	uint32_t connection;
	uint64_t start; // in the stream, which goes on over connections: all from there on is right
	struct random random;
	uint32_t other; // of SPOIL_CROSS…: what comes is of that connection, from there on
	uint64_t other_offset;

	uint64_t at; // place in the stream
	size_t length;
	size_t takes;	    // bytes from there on that do not come, or in another order
	uint64_t from;	    // of what is repeated
	struct fault fault; // what is to be said of it
};

// Chooses the length, up to `most` (32 to SPOIL_MOST), and the place, so that the bytes that it
// needs lie in [least, end). All above `at` is given.
void spoil_plan(struct spoil *spoil, uint64_t least, uint64_t end, uint64_t most);

// Each of the two SPOIL_CROSS gets what belongs to the other: as many bytes of both.
void spoil_exchange(struct spoil *one, struct spoil *other);

// Writes what comes instead of the `takes` bytes from `at` on, at most SPOIL_BYTES, the number of
// which is returned. SPOIL_APPEND: `at` is the end of the stream. SPOIL_TRUNCATE leaves the length
// of the fault open.
size_t spoil_make(struct spoil *spoil, uint8_t *bytes);

#endif
