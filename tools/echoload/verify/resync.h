// The state of a fault until all is well again: bytes not yet explained, pieces that came after the
// own stream was left, and missing ranges. Belongs to one struct verify.
//
// Received bytes are divided into segments: own stream, another connection's stream, and unmatched
// bytes. The verifier follows one segment until a byte differs. From there it searches for a lock:
// enough bytes in a row from one place of this run. The bytes before the lock are unmatched.
#ifndef ECHOLOAD_RESYNC_H
#define ECHOLOAD_RESYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verify.h"

// Bytes in a row that make a lock. A whole word says where it comes from. Random bytes name a place
// that was sent with odds of 2^-64 for each word of this run. The other bytes must agree with that
// place, which random ones do with odds of another 2^-64.
#define RESYNC_LOCK 16
#define RESYNC_BYTES ((size_t)1 << 20)
#define RESYNC_PIECES 64

#define RESYNC_MISSING 64
#define RESYNC_LATEST (UINT64_C(1) << 20) // bytes after which a missing range is lost

// A range of the own stream that has not come although the bytes after it have: it is lost or late.
struct missing_range {
	uint64_t from, to;
	uint64_t shift; // it may as well begin and end up to this many bytes later
};

struct resync {
	// The own stream is followed at its front (verify.position), or with `side` at a stretch
	// behind the front, which comes late or again.
	bool side;
	uint64_t start; // of that stretch
	uint64_t next;	// its next byte

	// What came after it was left, FAULT_CROSSED or FAULT_FOREIGN, without a place yet.
	// `crossed`: the last piece is being followed.
	bool crossed;
	unsigned pieces;
	struct fault piece[RESYNC_PIECES];
	uint64_t shift; // that stretch, or the first piece, may begin up to this many bytes earlier

	// In order of position; with room to add one and to split one.
	struct missing_range missing[RESYNC_MISSING + 2];
	unsigned missing_count;

	// While searching, bytes[head] is the first wrong byte, and no lock begins before
	// `scanned`. While following, no bytes are kept from one call to the next.
	bool searching;
	size_t head;
	size_t scanned;
	size_t count;
	uint8_t bytes[]; // RESYNC_BYTES
};

// Where the bytes from bytes[at] on come from. It is extended backwards as far as bytes agree.
struct lock {
	uint32_t connection;
	uint64_t position;
	size_t at;
};

// The position of the own stream's byte that should come next, or should have come when the own
// stream was left.
uint64_t resync_expected(const struct verify *verify);

// How far the boundary between two segments can be shifted: how many bytes at the end of the
// segment that is left may as well belong to the next one, which begins with `position` of
// `connection`.
uint64_t resync_shift(const struct verify *verify, uint32_t connection, uint64_t position);

// How many of the `limit` bytes before `end` are those of the stream before `position`.
size_t resync_match_back(const struct verify *verify, uint32_t connection, uint64_t position,
			 const uint8_t *end, size_t limit);

// explain.c, which also has verify_end.

// The segment that was followed has ended, and the bytes before the lock are unmatched. The stream
// of the lock is followed from now on.
void explain_lock(struct verify *verify, const struct lock *lock);

// There is no room to keep the first `length` unmatched bytes any longer.
void explain_unmatched(struct verify *verify, size_t length);

// The own stream goes on `length` bytes after where it was left. If a side stretch thereby reaches
// the front, the front is followed from now on.
void explain_advance(struct verify *verify, uint64_t length);

// Reports as lost the missing ranges that end more than `latest` bytes before the front, and the
// first ones if there are too many.
void explain_lost(struct verify *verify, uint64_t latest);

#endif
