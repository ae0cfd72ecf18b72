// What verify keeps from a fault on until all is well again: the bytes not yet understood, what
// came since its own stream was left, and what is missing. Belongs to one struct verify.
//
// Received bytes are cut into segments: own stream, another connection's stream, and noise. The
// verifier follows one segment until a byte differs; from there it searches for a lock, where
// enough bytes in a row come from one place of this run. What is before the lock is noise.
#ifndef ECHOLOAD_RESYNC_H
#define ECHOLOAD_RESYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verify.h"

// Bytes in a row that make a lock. A whole word says where it comes from, and random bytes say so
// of a place that was sent with odds of 2^-64 for each word of this run; the other bytes must agree
// with it, which random ones do with odds of another 2^-64.
#define RESYNC_LOCK 16
#define RESYNC_BYTES ((size_t)1 << 20)
#define RESYNC_PIECES 64

#define RESYNC_MISSING 64
#define RESYNC_LATEST (UINT64_C(1) << 20) // bytes after which a missing range is lost

// A range of the own stream that has not come though what follows it has: it is lost, or late.
struct missing_range {
	uint64_t from, to;
	uint64_t slack; // by so many bytes it could as well begin and end later
};

struct resync {
	// The own stream: usually its front (verify.position). `side`: a stretch behind the front,
	// which comes late or again.
	bool side;
	uint64_t start; // of that stretch
	uint64_t next;	// its next byte

	// What came since, FAULT_CROSSED or FAULT_FOREIGN, without a place. `crossed`: the last
	// piece is being followed.
	bool crossed;
	unsigned pieces;
	struct fault piece[RESYNC_PIECES];
	uint64_t slack; // by so many bytes that stretch, or the first piece, could begin earlier

	// By place; there is room for one to add, and to cut in two.
	struct missing_range missing[RESYNC_MISSING + 2];
	unsigned missing_count;

	// While searching, bytes[head] is the first wrong one; before `scanned` no lock begins.
	// While following, nothing is kept from one call to the next.
	bool searching;
	size_t head;
	size_t scanned;
	size_t count;
	uint8_t bytes[]; // RESYNC_BYTES
};

// Where the bytes from bytes[at] on come from, all the way back to the noise before them.
struct lock {
	uint32_t connection;
	uint64_t position;
	size_t at;
};

// The own stream's place where it was left.
uint64_t resync_anchor(const struct verify *verify);

// How many bytes of the segment that is left could as well belong to one that begins with
// `position` of `connection` right after it.
uint64_t resync_slack(const struct verify *verify, uint32_t connection, uint64_t position);

// How many of the `limit` bytes before `end` are those of the stream before `position`.
size_t resync_match_back(const struct verify *verify, uint32_t connection, uint64_t position,
			 const uint8_t *end, size_t limit);

// explain.c, which also has verify_end.

// What was followed has been left, the bytes up to the lock are noise, and then comes what it says,
// which is followed from now on.
void explain_lock(struct verify *verify, const struct lock *lock);

// `length` bytes of noise that can be kept no longer.
void explain_noise(struct verify *verify, size_t length);

// The own stream goes on `length` bytes after where it was left. If a side stretch reaches the
// front by that, the front is followed from now on.
void explain_advance(struct verify *verify, uint64_t length);

// Reports the missing ranges that lie more than `latest` bytes before the front, or are too many.
void explain_lost(struct verify *verify, uint64_t latest);

#endif
