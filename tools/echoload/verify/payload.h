// Self-locating bytes: each 8-byte word of what echoload sends is a keyed, invertible function of
// (run, connection, position). So any window of received bytes says where it came from, and no copy
// of sent bytes is kept. They do not compress. Any thread.
//
// A stream is divided into words of 8 bytes, little-endian, and blocks of 1024 words. A word is
//
//   10 bits: a keyed permutation of the word's place in its block
//   54 bits: a keyed table's entry for that place, xor a keyed permutation of (connection, block)
//
// so writing a block is one xor a word with a constant of the block, and reading a word backwards
// is two table look-ups and one inverse permutation.
#ifndef ECHOLOAD_PAYLOAD_H
#define ECHOLOAD_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_WORD 8
#define PAYLOAD_BLOCK_WORDS 1024
#define PAYLOAD_BLOCK (PAYLOAD_WORD * PAYLOAD_BLOCK_WORDS) // bytes
#define PAYLOAD_CONNECTIONS (UINT32_C(1) << 24)
#define PAYLOAD_STREAM (UINT64_C(1) << 43) // bytes of one connection: 8 TiB

// The keyed tables of one run; 10 KiB, so that they stay in the nearest cache. Constant once made.
struct payload {
	uint64_t key[4];
	uint64_t table[PAYLOAD_BLOCK_WORDS];	// place in the block -> word, except its block
	uint16_t place_of[PAYLOAD_BLOCK_WORDS]; // the upper 10 bits -> place in the block
};

// Where a byte comes from.
struct payload_place {
	uint32_t connection;
	uint64_t position; // of the stream, in bytes
};

// Makes the tables for a run: the same number gives the same bytes.
void payload_init(struct payload *payload, uint64_t run);

// Writes `length` bytes of the stream of `connection` from `position` on; neither need be a
// multiple of anything. position + length <= PAYLOAD_STREAM.
void payload_fill(const struct payload *payload, uint32_t connection, uint64_t position,
		  void *bytes, size_t length);

// How many of the `length` bytes at `bytes`, up to the first wrong one, are those of the stream
// from `position` on. As fast as payload_fill.
size_t payload_match(const struct payload *payload, uint32_t connection, uint64_t position,
		     const void *bytes, size_t length);

// The place that a whole, aligned word says it comes from. Any eight bytes name some place; the
// caller judges whether it can be true.
struct payload_place payload_locate(const struct payload *payload, const void *word);

#endif
