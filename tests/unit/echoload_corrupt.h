// A stream of echoload's as a faulty peer would return it, and what should be said of that. A pure
// function of the seed.
#ifndef ECHOD_ECHOLOAD_CORRUPT_H
#define ECHOD_ECHOLOAD_CORRUPT_H

#include "echoload/common/random.h"
#include "echoload/verify/verify.h"

enum corruption {
	CORRUPT_FLIP,		// 1 to 8 bits within 1 to 16 bytes
	CORRUPT_DROP,		// a range
	CORRUPT_REPEAT,		// the range just before
	CORRUPT_REPEAT_EARLIER, // a range before that
	CORRUPT_SWAP,		// two neighbouring ranges
	CORRUPT_CROSS,		// a range of another connection, in place
	CORRUPT_CROSS_ADDED,	// in addition
	CORRUPT_INJECT,		// random bytes in addition
	CORRUPT_OVERWRITE,	// random bytes in place
	CORRUPT_TRUNCATE,
	CORRUPT_APPEND,
	CORRUPTIONS,
};

#define CORRUPT_FAULTS 4
#define CORRUPT_STRETCHES (3 * CORRUPT_FAULTS + 1)

// Of the stream, that has come: right bytes at their place or at another, or damaged ones.
struct corrupt_stretch {
	size_t at;
	uint64_t from;
	uint64_t length;
};

struct corrupt {
	const struct payload *payload;
	uint32_t connection;
	uint64_t length; // of the stream as it was sent
	struct random random;
	uint8_t *sent; // the stream
	uint64_t next; // how much of it has come through

	uint8_t *bytes; // as they are received
	size_t count;
	struct corrupt_stretch stretch[CORRUPT_STRETCHES];
	unsigned stretches;
	struct fault expected[CORRUPT_FAULTS];
	unsigned faults;
};

void corrupt_begin(struct corrupt *corrupt, const struct payload *payload, uint32_t connection,
		   uint64_t length, uint64_t seed);

// Lets right bytes through up to somewhere at least `gap` bytes on, and then does this to at most
// `most` bytes (16 to 10,000). `other`: the connection whose bytes cross, from `other_offset` on
// for at least `most` bytes.
void corrupt_do(struct corrupt *corrupt, enum corruption corruption, uint64_t gap, uint64_t most,
		uint32_t other, uint64_t other_offset);

// The same at a place and of a length given.
void corrupt_at(struct corrupt *corrupt, enum corruption corruption, uint64_t at, uint64_t length,
		uint32_t other, uint64_t other_offset);

// Lets the rest through.
void corrupt_finish(struct corrupt *corrupt);

// How much must have been sent before the first `count` bytes can have come.
uint64_t corrupt_reach(const struct corrupt *corrupt, size_t count);

void corrupt_free(struct corrupt *corrupt);

#endif
