// Compiled with -O3 -funroll-loops, without which the loop over words does not keep up with memory.
#include "payload.h"

#include <endian.h>
#include <string.h>

#include "echoload/common/random.h"

#define PLACE_BITS 10
#define REST_BITS (64 - PLACE_BITS)
#define REST_MASK ((UINT64_C(1) << REST_BITS) - 1)
#define HALF_BITS (REST_BITS / 2)
#define HALF_MASK ((UINT64_C(1) << HALF_BITS) - 1)
#define BLOCK_BITS 30 // of the number of a block; the connection's number stands above
#define FEISTEL_ROUNDS 4
#define MADE_BYTES 2048 // bytes made at a time, to copy or to compare

// Hardening sets all variables to zero, which would take longer than a short message does.
#if __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#else
#define UNINITIALIZED
#endif

static void shuffle(uint16_t *places, struct random *random)
{
	for (unsigned i = 0; i < PAYLOAD_BLOCK_WORDS; i++)
		places[i] = (uint16_t)i;
	for (unsigned i = PAYLOAD_BLOCK_WORDS - 1; i > 0; i--) {
		unsigned other = (unsigned)(random_next(random) % (i + 1));
		uint16_t place = places[i];
		places[i] = places[other];
		places[other] = place;
	}
}

void payload_init(struct payload *payload, uint64_t run)
{
	struct random random = {run};
	for (unsigned i = 0; i < FEISTEL_ROUNDS; i++)
		payload->key[i] = random_next(&random);
	shuffle(payload->place_of, &random);
	for (unsigned i = 0; i < PAYLOAD_BLOCK_WORDS; i++)
		payload->table[payload->place_of[i]] =
			(uint64_t)i << REST_BITS | (random_next(&random) & REST_MASK);
}

// A Feistel network: the same rounds backwards undo it, whatever the round function is.
static uint64_t round_of(uint64_t half, uint64_t key)
{
	uint64_t z = (half ^ key) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 32)) * UINT64_C(0x94d049bb133111eb);
	return z >> (64 - HALF_BITS);
}

static uint64_t permute(const struct payload *payload, uint64_t number)
{
	uint64_t left = number >> HALF_BITS, right = number & HALF_MASK;
	for (unsigned i = 0; i < FEISTEL_ROUNDS; i++) {
		uint64_t next = left ^ round_of(right, payload->key[i]);
		left = right;
		right = next;
	}
	return left << HALF_BITS | right;
}

static uint64_t permute_back(const struct payload *payload, uint64_t number)
{
	uint64_t left = number >> HALF_BITS, right = number & HALF_MASK;
	for (unsigned i = FEISTEL_ROUNDS; i-- > 0;) {
		uint64_t before = right ^ round_of(left, payload->key[i]);
		right = left;
		left = before;
	}
	return left << HALF_BITS | right;
}

// What the block of `position` adds to each of its words.
static uint64_t block_mix(const struct payload *payload, uint32_t connection, uint64_t position)
{
	return permute(payload, (uint64_t)connection << BLOCK_BITS | position / PAYLOAD_BLOCK);
}

static void fill_words(uint8_t *to, const uint64_t *table, uint64_t mix, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word = htole64(table[i] ^ mix);
		memcpy(to + i * PAYLOAD_WORD, &word, PAYLOAD_WORD);
	}
}

// Makes the bytes from `position` on: at most MADE_BYTES, and no more than the block has. Returns
// how many. `piece` has the whole words that they are part of, so they begin at `piece` + `*skip`.
static size_t fill_piece(const struct payload *payload, uint32_t connection, uint64_t position,
			 size_t length, uint8_t piece[static MADE_BYTES], size_t *skip)
{
	size_t in_block = (size_t)(position % PAYLOAD_BLOCK);
	*skip = in_block % PAYLOAD_WORD;
	size_t most = PAYLOAD_BLOCK - in_block < MADE_BYTES - *skip ? PAYLOAD_BLOCK - in_block
								    : MADE_BYTES - *skip;
	if (length > most)
		length = most;
	fill_words(piece, payload->table + in_block / PAYLOAD_WORD,
		   block_mix(payload, connection, position),
		   (*skip + length + PAYLOAD_WORD - 1) / PAYLOAD_WORD);
	return length;
}

void payload_fill(const struct payload *payload, uint32_t connection, uint64_t position,
		  void *bytes, size_t length)
{
	UNINITIALIZED uint8_t piece[MADE_BYTES];
	size_t skip;
	for (size_t done = 0, some; done < length; done += some) {
		some = fill_piece(payload, connection, position + done, length - done, piece,
				  &skip);
		memcpy((uint8_t *)bytes + done, piece + skip, some);
	}
}

size_t payload_match(const struct payload *payload, uint32_t connection, uint64_t position,
		     const void *bytes, size_t length)
{
	UNINITIALIZED uint8_t piece[MADE_BYTES];
	size_t skip;
	for (size_t done = 0, some; done < length; done += some) {
		const uint8_t *next = (const uint8_t *)bytes + done;
		some = fill_piece(payload, connection, position + done, length - done, piece,
				  &skip);
		if (memcmp(next, piece + skip, some) == 0)
			continue;
		while (*next == piece[skip])
			next++, skip++;
		return (size_t)(next - (const uint8_t *)bytes);
	}
	return length;
}

struct payload_place payload_locate(const struct payload *payload, const void *word)
{
	uint64_t value;
	memcpy(&value, word, PAYLOAD_WORD);
	value = le64toh(value);
	uint64_t place = payload->place_of[value >> REST_BITS];
	uint64_t number = permute_back(payload, (value ^ payload->table[place]) & REST_MASK);
	return (struct payload_place){
		.connection = (uint32_t)(number >> BLOCK_BITS),
		.position = (number & ((UINT64_C(1) << BLOCK_BITS) - 1)) * PAYLOAD_BLOCK +
			    place * PAYLOAD_WORD,
	};
}
