// Self-locating bytes: the keyed tables, writing, comparing and reading them backwards. Any thread.
// Compiled with -O3 -funroll-loops: only then do the two loops over words keep up with memory.
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
#define ROUNDS 4
#define CHUNK 128 // words compared between two looks at the result

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
	for (unsigned i = 0; i < ROUNDS; i++)
		payload->key[i] = random_next(&random);
	shuffle(payload->place_of, &random);
	for (unsigned i = 0; i < PAYLOAD_BLOCK_WORDS; i++)
		payload->table[payload->place_of[i]] =
			(uint64_t)i << REST_BITS | (random_next(&random) & REST_MASK);
}

// A Feistel network: whatever the round function, the same rounds backwards undo it.
static uint64_t round_of(uint64_t half, uint64_t key)
{
	uint64_t z = (half ^ key) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 32)) * UINT64_C(0x94d049bb133111eb);
	return z >> (64 - HALF_BITS);
}

static uint64_t permute(const struct payload *payload, uint64_t number)
{
	uint64_t left = number >> HALF_BITS;
	uint64_t right = number & HALF_MASK;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t next = left ^ round_of(right, payload->key[i]);
		left = right;
		right = next;
	}
	return left << HALF_BITS | right;
}

static uint64_t permute_back(const struct payload *payload, uint64_t number)
{
	uint64_t left = number >> HALF_BITS;
	uint64_t right = number & HALF_MASK;
	for (unsigned i = ROUNDS; i-- > 0;) {
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

// What differs in `words` words, or'ed.
static uint64_t words_differ(const uint8_t *bytes, const uint64_t *table, uint64_t mix,
			     size_t words)
{
	uint64_t differ = 0;
	for (size_t i = 0; i < words; i++) {
		uint64_t word;
		memcpy(&word, bytes + i * PAYLOAD_WORD, PAYLOAD_WORD);
		differ |= le64toh(word) ^ table[i] ^ mix;
	}
	return differ;
}

static size_t match_words(const uint8_t *bytes, const uint64_t *table, uint64_t mix, size_t words)
{
	size_t done = 0;
	while (done < words) {
		size_t some = words - done < CHUNK ? words - done : CHUNK;
		if (words_differ(bytes + done * PAYLOAD_WORD, table + done, mix, some))
			break;
		done += some;
	}
	for (; done < words; done++) {
		uint64_t differ = words_differ(bytes + done * PAYLOAD_WORD, table + done, mix, 1);
		if (differ)
			return done * PAYLOAD_WORD + (size_t)__builtin_ctzll(differ) / 8;
	}
	return words * PAYLOAD_WORD;
}

// How a range is cut: first what is left of a word that it begins within, then whole words to the
// end of the block at most, then what it takes of a word that it ends within.
struct cut {
	const uint64_t *table; // of the first word
	uint64_t mix;
	size_t words;  // whole ones; 0: only a part of one word comes next
	size_t skip;   // else: its bytes before the range
	size_t length; // of all this, bytes
};

static struct cut next_cut(const struct payload *payload, uint32_t connection, uint64_t position,
			   size_t length)
{
	size_t in_block = (size_t)(position % PAYLOAD_BLOCK);
	struct cut cut = {.table = payload->table + in_block / PAYLOAD_WORD,
			  .mix = block_mix(payload, connection, position),
			  .skip = in_block % PAYLOAD_WORD};
	if (cut.skip || length < PAYLOAD_WORD) {
		size_t left = PAYLOAD_WORD - cut.skip;
		cut.length = length < left ? length : left;
		return cut;
	}
	size_t in_range = length / PAYLOAD_WORD;
	size_t to_end = PAYLOAD_BLOCK_WORDS - in_block / PAYLOAD_WORD;
	cut.words = in_range < to_end ? in_range : to_end;
	cut.length = cut.words * PAYLOAD_WORD;
	return cut;
}

void payload_fill(const struct payload *payload, uint32_t connection, uint64_t position,
		  void *bytes, size_t length)
{
	uint8_t *to = bytes;
	while (length > 0) {
		struct cut cut = next_cut(payload, connection, position, length);
		if (cut.words) {
			fill_words(to, cut.table, cut.mix, cut.words);
		} else {
			uint8_t word[PAYLOAD_WORD];
			fill_words(word, cut.table, cut.mix, 1);
			memcpy(to, word + cut.skip, cut.length);
		}
		to += cut.length;
		position += cut.length;
		length -= cut.length;
	}
}

size_t payload_match(const struct payload *payload, uint32_t connection, uint64_t position,
		     const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	size_t matched = 0;
	while (matched < length) {
		struct cut cut =
			next_cut(payload, connection, position + matched, length - matched);
		size_t right = 0;
		if (cut.words) {
			right = match_words(from + matched, cut.table, cut.mix, cut.words);
		} else {
			uint8_t word[PAYLOAD_WORD];
			fill_words(word, cut.table, cut.mix, 1);
			while (right < cut.length &&
			       from[matched + right] == word[cut.skip + right])
				right++;
		}
		matched += right;
		if (right < cut.length)
			break;
	}
	return matched;
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
