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
#define RESYNC_PIECES 8

// The ranges of the own stream that have not come though what follows them has: each is lost, or
// late.
#define MISSING_RANGES 64

struct missing_range {
	uint64_t from;
	uint64_t to;
	uint64_t slack; // by so many bytes it could as well begin and end later
};

struct missing {
	unsigned count;
	struct missing_range
		range[MISSING_RANGES + 2]; // by place; room for one to add or to cut in two
};

// What came between two segments of the own stream.
struct piece {
	bool crossed; // else noise
	uint32_t other;
	uint64_t other_offset;
	uint64_t length;
	uint64_t slack; // by so many bytes a crossed one could as well begin earlier
};

struct resync {
	// The own stream: usually its front (verify.position). `side`: a stretch behind the front,
	// which comes late or again.
	bool side;
	uint64_t start; // of that stretch
	uint64_t next;	// its next byte
	uint64_t slack; // by so many bytes it could as well begin earlier

	// What came since. `crossed`: the last piece is being followed.
	bool crossed;
	unsigned pieces;
	struct piece piece[RESYNC_PIECES];
	uint64_t flushed; // bytes of pieces before these, which have been reported

	struct missing missing;

	// While searching, bytes[head] is the first wrong one; before `scanned` no lock begins.
	// While following, nothing is kept from one call to the next.
	bool searching;
	uint8_t *bytes;
	size_t head;
	size_t scanned;
	size_t count;
	size_t capacity;
};

// Where the bytes from bytes[at] on come from, all the way back to the noise before them.
struct lock {
	uint32_t connection;
	uint64_t position;
	size_t at;
};

// The own stream's place where it was left.
uint64_t resync_anchor(const struct verify *verify);

// How many more bytes may be kept.
size_t resync_room(const struct resync *resync);

// Keeps `length` more bytes. Returns 0, or -1 when there is no memory.
int resync_append(struct resync *resync, const void *bytes, size_t length);

// Searches for a lock in what has not been searched. The answer depends on the bytes only, not on
// how many of them came at once.
bool resync_lock(struct verify *verify, struct lock *lock);

// How many bytes of the segment that is left could as well belong to one that begins with
// `position` of `connection` right after it.
uint64_t resync_slack(const struct verify *verify, uint32_t connection, uint64_t position);

// How many of the `limit` bytes before `end` are those of the stream before `position`.
size_t resync_match_back(const struct payload *payload, uint32_t connection, uint64_t position,
			 const uint8_t *end, size_t limit);

// Adds a range that lies behind all others. There may then be one too many: missing_drop.
void missing_add(struct missing *missing, uint64_t from, uint64_t to, uint64_t slack);

// Late bytes begin at `start`, or by up to `slack` bytes before it. When that can be the beginning
// of a missing range, settles where that begins, stores it and returns true.
bool missing_align(struct missing *missing, uint64_t *start, uint64_t slack);

// Takes out of the ranges what [from, to) begins with: the part up to the value returned was
// missing, if `late` is set, or was not.
uint64_t missing_take(struct missing *missing, uint64_t from, uint64_t to, bool *late);

// Removes the first range when it must be given up: it lies before `horizon`, or there are too
// many.
bool missing_drop(struct missing *missing, uint64_t horizon, struct missing_range *dropped);

// explain.c

// What was followed has been left, `length` bytes of noise came, and then what `lock` says, which
// is followed from now on.
void explain_lock(struct verify *verify, const uint8_t *noise, size_t length,
		  const struct lock *lock);

// `length` bytes of noise that can be kept no longer.
void explain_noise(struct verify *verify, const uint8_t *noise, size_t length);

// The side stretch has reached the front of the stream, which is followed from now on.
void explain_joined(struct verify *verify);

// Reports the missing ranges that have become too old or too many.
void explain_lost(struct verify *verify);

// The stream has ended after `length` bytes of noise. Reports all that is left; `whole`: also what
// of the bytes sent is missing at the end. The one function that takes a verify without resync.
void explain_end(struct verify *verify, const uint8_t *noise, size_t length, bool whole);

#endif
