// A stream of echoload's as a faulty peer would return it, and what should be said of that. A pure
// function of the seed.
#ifndef ECHOD_ECHOLOAD_CORRUPT_H
#define ECHOD_ECHOLOAD_CORRUPT_H

#include "spoil.h"

#define CORRUPT_FAULTS 4
#define CORRUPT_STRETCHES (2 * CORRUPT_FAULTS + 1)

// Bytes of the stream that have come: right, or flipped.
struct corrupt_stretch {
	size_t at;
	uint64_t from, length;
};

struct corrupt {
	const struct payload *payload;
	uint32_t connection;
	uint64_t length; // of the stream as it was sent
	struct random random;
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
// `most` bytes (32 to SPOIL_MOST). `other`: the connection whose bytes cross, from `other_offset`
// on for at least `most` bytes.
void corrupt_do(struct corrupt *corrupt, enum spoil_kind kind, uint64_t gap, uint64_t most,
		uint32_t other, uint64_t other_offset);

// Lets `length` bytes of another connection come in the place of those `at` that place.
void corrupt_cross(struct corrupt *corrupt, uint64_t at, uint64_t length, uint32_t other,
		   uint64_t other_offset);

// Lets the rest through.
void corrupt_finish(struct corrupt *corrupt);

// How much must have been sent before the first `count` bytes can have come.
uint64_t corrupt_reach(const struct corrupt *corrupt, size_t count);

void corrupt_free(struct corrupt *corrupt);

#endif
