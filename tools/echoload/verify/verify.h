// Verification of what came back on one connection, against what was sent (payload.h): finds each
// fault, names it and says where it is, and goes on after it. README.md explains how, with a
// drawing. One thread for each struct verify.
//
// Every fault is located to the byte, in however small pieces the bytes arrive, given 16 right
// bytes after it (or the end of the stream). What a name needs:
//
// - 16 bytes tell where they come from. A piece out of place that is shorter is `foreign`, and what
//   it stands for is `lost`. At the end of the stream, and of the piece sent last, fewer suffice.
// - Two faults have two names when 16 right bytes stand between them. When fewer do, what came in
//   between may be part of one fault.
// - Damage in place is `flipped` when at most 8 bits of it differ, or fewer than one in four; else
//   `foreign`. It reaches from the first byte that differs to the last; so does what came instead
//   of other bytes of the same number (`crossed`, `foreign`).
// - Where two explanations are the same byte for byte (the byte lost and its neighbour are equal),
//   it is the one with the fewest faults, and of those the leftmost. Bytes that came in addition
//   and are those that should come there are `repeated`.
// - What comes again up to so near to the front that the bytes left out (15 at most) happen to be
//   those that follow is said to reach it; as many bytes are then `lost`.
// - A missing range is `lost` when 1 MiB of the stream has come after it, when there are more than
//   64 of them (the first is), or at the end. If it comes before that, it was `reordered`; after
//   that, `repeated`.
// - Bytes that came in addition are reported where they came, those that are missing besides as
//   `lost`. A crossed or repeated stretch is reported when it ends.
// - Of bytes that nothing explains 1 MiB is kept; what is beyond is only counted, so it cannot be
//   `flipped` together with what follows.
#ifndef ECHOLOAD_VERIFY_H
#define ECHOLOAD_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload.h"

enum fault_kind {
	FAULT_FLIPPED,	 // bits of the range differ: `bits` says which, or'ed over its bytes
	FAULT_LOST,	 // the range never came, what follows it did
	FAULT_REPEATED,	 // the range came again
	FAULT_REORDERED, // the range came later than what follows it
	FAULT_CROSSED,	 // bytes of connection `other`, from `other_offset` on
	FAULT_FOREIGN,	 // bytes that nobody of this run has sent
	FAULT_TRUNCATED, // the stream ended before the range
	FAULT_SURPLUS,	 // bytes after the end of what was sent
	FAULT_KINDS,
};
extern const char *const fault_kind_names[FAULT_KINDS]; // `flipped`, `lost`, …

struct fault {
	enum fault_kind kind;
	uint32_t connection;
	uint64_t offset; // in the stream as it was sent, bytes from 0: of the first byte concerned;
			 // for foreign and crossed bytes that came in addition, of the byte before
			 // which they came
	uint64_t length; // bytes
	uint8_t bits;	 // FAULT_FLIPPED
	uint32_t other;	 // FAULT_CROSSED
	uint64_t other_offset;
};

// What the verifier may believe of a place that bytes claim to come from.
struct verify_scope {
	const struct payload *payload;
	uint32_t connections; // of this run, counted from 0
	// Bytes sent on it so far; any thread. Count them before they are handed to the kernel:
	// another connection may get them before send(2) returns.
	uint64_t (*sent)(void *context, uint32_t connection);
	void (*report)(void *context, const struct fault *fault);
	void *context;
};

struct resync; // what has come since a fault began, kept until it can be named

// Begins with the first four, of which `position` is `start`, and zeros.
struct verify {
	const struct verify_scope *scope;
	uint32_t connection;
	uint64_t start;	       // of the stream, the first byte that comes on this connection
	uint64_t position;     // the byte of the stream that comes next, when all is well
	uint64_t verified;     // bytes that were right
	uint64_t faults;       // reported
	struct resync *resync; // NULL while all is well
};

// Takes the next bytes. While all is well this is payload_match and no more. Returns 0, or -1 when
// there is no memory to look into a fault (`errno`).
int verify_bytes(struct verify *verify, const void *bytes, size_t length);

// The stream has ended. `whole`: all that was sent should have come (false: it was cut by us).
// Names what has not been named yet. Returns whether there was no fault at all.
bool verify_end(struct verify *verify, bool whole);

void verify_free(struct verify *verify);

#endif
