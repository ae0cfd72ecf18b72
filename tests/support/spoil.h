// One fault on purpose in what comes back on a connection of echoload's, and what is to be said of
// it (echoload/verify.h). A pure function of a seed: any thread.
#ifndef ECHOD_TESTS_SPOIL_H
#define ECHOD_TESTS_SPOIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echoload/common/random.h"
#include "echoload/verify/payload.h"
#include "echoload/verify/verify.h"

#define SPOIL_MOST 10000		  // bytes of a range
#define SPOIL_BYTES (2 * SPOIL_MOST + 16) // that come instead of others, at most
#define SPOIL_AFTER 32			  // right bytes at least that come after it

// What kind, and where it may be: within one of the first `messages` of `message` bytes each, so
// that echoload waits for what comes after it.
#define SPOIL_ECHO 4096 // of a message, where several are in one piece of `message` bytes

struct spoil_terms {
	enum fault_kind kind;
	uint64_t message;
	uint64_t messages;
};

struct spoil {
	const struct payload *payload;
	uint32_t connection;
	uint64_t start; // of the connection in the stream, which goes on over connections
	enum fault_kind kind;
	uint64_t at;  // place in the stream; FAULT_SURPLUS: none
	size_t takes; // bytes from there on that do not come, or in another order
	size_t length;
	uint64_t from; // FAULT_REPEATED: of what comes again
	bool in_place; // FAULT_FOREIGN: instead of other bytes
	struct random random;
	struct fault fault; // what is to be said of it
};

// Decides what is done to the connection that carries the stream of `connection` from `start` on.
void spoil_plan(struct spoil *spoil, const struct payload *payload, const struct spoil_terms *terms,
		uint64_t seed, uint32_t connection, uint64_t start);

// Writes what comes instead of the `takes` bytes from `at` on; FAULT_SURPLUS: after all, `end` of
// the stream. At most SPOIL_BYTES, the number of which is returned. Not FAULT_CROSSED.
// FAULT_TRUNCATED leaves the length of the fault open.
size_t spoil_make(struct spoil *spoil, uint64_t end, uint8_t *bytes);

// The same for two connections of which each gets what belongs to the other: as many bytes of both,
// their number is returned.
size_t spoil_cross(struct spoil *one, struct spoil *other, uint8_t *bytes, uint8_t *other_bytes);

#endif
