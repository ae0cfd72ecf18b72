// How bytes that came in the place of others differ from them. One thread for each struct verify.
#ifndef ECHOLOAD_DAMAGE_H
#define ECHOLOAD_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verify.h"

// So many right bytes in a row are no chance, at a place where they are expected.
#define DAMAGE_RUN 4

struct damage {
	size_t first;	// byte that differs
	size_t end;	// behind the last; 0: none does
	uint64_t count; // of bits that differ
	uint8_t bits;	// these, or'ed over the bytes
};

// Against the connection's own stream from `offset` on.
struct damage damage_of(const struct verify *verify, uint64_t offset, const uint8_t *bytes,
			size_t length);

// Few enough bits differ to say that these were other bytes once.
bool damage_is_flipped(const struct damage *damage);

// Noise stands between two stretches of streams. How much of it, from its beginning, is damage to
// the own stream that was left before it, at `position`: up to the last run of right bytes. With
// `before`: how much of it, to its end, is damage to the own stream that follows it at `position`.
size_t damage_near(const struct verify *verify, uint64_t position, const uint8_t *noise,
		   size_t length, bool before);

#endif
