// Verification of the bytes that came back on one connection, against those that were sent
// (payload.h). It finds each fault, names and locates it, and goes on after it. README.md explains
// how, with a drawing. One thread for each struct verify.
//
// Every fault is located to the byte, in however small pieces the bytes arrive, if 16 right bytes
// or the end of the stream follow it. How a fault gets its name:
//
// - 16 bytes say where they come from. A shorter piece out of place is `foreign`, and the bytes
// that
//   it stands for are `lost`. At the end of the stream, and of the piece sent last, fewer suffice.
// - Two faults have two names if 16 right bytes stand between them. If fewer do, the bytes between
//   them may be part of one fault.
// - Damage in place is `flipped` if at most 8 bits of it differ, or fewer than one in four; else
//   `foreign`. It reaches from the first byte that differs to the last. So do bytes that came
//   instead of equally many others (`crossed`, `foreign`).
// - If several explanations are the same byte for byte (the byte lost and its neighbour are equal),
//   the one with the fewest faults is taken, and of those the leftmost. Bytes that came in addition
//   and equal those that should come there are `repeated`.
// - A repeated stretch may end up to 15 bytes before the front. If the bytes left out happen to
// equal
//   those that follow, the stretch counts as reaching the front, and as many bytes are `lost`.
// - A missing range is `lost` if 1 MiB of the stream has come after it, if it is the first of more
//   than 64, or at the end. If it comes before that, it is `reordered`; after that, `repeated`.
// - Bytes that came in addition are reported where they came; bytes missing there are `lost`. A
//   crossed or repeated stretch is reported when it ends.
// - Of bytes that nothing explains, 1 MiB is kept. Further ones are only counted, so they cannot be
//   `flipped` together with those that follow.
#ifndef ECHOLOAD_VERIFY_H
#define ECHOLOAD_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload.h"

enum fault_kind {
	FAULT_FLIPPED,	 // bits of the range differ: `bits` says which, or'ed over its bytes
	FAULT_LOST,	 // the range never came, but the bytes after it did
	FAULT_REPEATED,	 // the range came again
	FAULT_REORDERED, // the range came later than the bytes after it
	FAULT_CROSSED,	 // bytes of connection `other`, from `other_offset` on
	FAULT_FOREIGN,	 // bytes that no connection of this run has sent
	FAULT_TRUNCATED, // the stream ended before the range
	FAULT_SURPLUS,	 // bytes after the end of the sent ones
	FAULT_KINDS,
};
extern const char *const fault_kind_names[FAULT_KINDS]; // `flipped`, `lost`, …

struct fault {
	enum fault_kind kind;
	uint32_t connection;
	uint64_t offset; // in the stream as it was sent, from 0: the first byte of the range; for
			 // foreign and crossed bytes that came in addition, the byte before which
			 // they came
	uint64_t length; // bytes
	uint8_t bits;	 // FAULT_FLIPPED
	uint32_t other;	 // FAULT_CROSSED
	uint64_t other_offset;
};

// Where bytes can come from, and where faults are reported.
struct verify_scope {
	const struct payload *payload;
	uint32_t connections; // of this run, counted from 0
	// Bytes sent on a connection so far; any thread. Count them before they are passed to the
	// kernel: another connection may get them before send(2) returns.
	uint64_t (*sent)(void *context, uint32_t connection);
	void (*report)(void *context, const struct fault *fault);
	void *context;
};

struct resync; // the bytes since a fault began, kept until it has a name

// To begin, set the first four fields, `position` to the value of `start`; the others are 0.
struct verify {
	const struct verify_scope *scope;
	uint32_t connection;
	uint64_t start;	       // position of the first byte that comes on this connection
	uint64_t position;     // of the byte that comes next if all is well
	uint64_t verified;     // bytes that were right
	uint64_t faults;       // reported
	bool truncated;	       // one of these is FAULT_TRUNCATED
	struct resync *resync; // NULL while all is well
};

// Takes the next bytes. While all is well this is payload_match and no more. Returns 0, or -1 when
// there is no memory to examine a fault (`errno`).
int verify_bytes(struct verify *verify, const void *bytes, size_t length);

// The stream has ended. `whole`: all that was sent should have come; false: we have ended it early.
// Names the faults that have no name yet. Returns whether there was no fault at all.
bool verify_end(struct verify *verify, bool whole);

void verify_free(struct verify *verify);

#endif
