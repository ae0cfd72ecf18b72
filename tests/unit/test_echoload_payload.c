// Self-locating bytes: tools/echoload/verify/payload.
#include "test.h"

#include <zlib.h>

#include "echoload/common/random.h"
#include "echoload/verify/payload.h"

#define PLACES 20000
#define SPAN 300 // bytes, more than two chunks of words

static struct payload payload;

BEFORE_ALL { payload_init(&payload, 42); }

static struct payload_place random_place(struct random *random) {
	struct payload_place place = {(uint32_t)(random_next(random) % PAYLOAD_CONNECTIONS),
				      random_next(random) % (PAYLOAD_STREAM - SPAN)};
	// Often where a block or the stream begins or ends.
	switch (random_next(random) % 4) {
	case 0:
		place.position &= ~(uint64_t)(PAYLOAD_BLOCK - 1);
		place.position -= place.position ? random_next(random) % SPAN : 0;
		break;
	case 1:
		place.position = random_next(random) % 16;
		break;
	case 2:
		place.position = PAYLOAD_STREAM - SPAN;
		break;
	default:
		break;
	}
	return place;
}

TEST(words_say_where_they_come_from) {
	struct random random = {1};
	for (unsigned i = 0; i < PLACES; i++) {
		struct payload_place place = random_place(&random);
		uint8_t bytes[SPAN];
		payload_fill(&payload, place.connection, place.position, bytes, sizeof(bytes));
		size_t skip = (PAYLOAD_WORD - place.position % PAYLOAD_WORD) % PAYLOAD_WORD;
		for (size_t at = skip; at + PAYLOAD_WORD <= SPAN; at += PAYLOAD_WORD) {
			struct payload_place found = payload_locate(&payload, bytes + at);
			assert_int_equal(found.connection, place.connection);
			assert_int_equal(found.position, place.position + at);
		}
	}
}

static size_t match(const struct payload_place *place, const uint8_t *bytes, size_t length) {
	return payload_match(&payload, place->connection, place->position, bytes, length);
}

TEST(match_finds_the_first_wrong_byte) {
	struct random random = {3};
	for (unsigned i = 0; i < PLACES; i++) {
		struct payload_place place = random_place(&random);
		uint8_t bytes[SPAN + 7];
		uint8_t *at = bytes + random_next(&random) % 8;
		size_t length = random_next(&random) % (SPAN + 1);
		payload_fill(&payload, place.connection, place.position, at, length);
		assert_int_equal(match(&place, at, length), length);
		for (unsigned wrong = 0; length > 0 && wrong < 1 + i % 3; wrong++)
			at[random_next(&random) % length] ^= (uint8_t)(1U << i % 8);
		uint8_t right[SPAN];
		payload_fill(&payload, place.connection, place.position, right, length);
		size_t first = 0;
		while (first < length && at[first] == right[first])
			first++;
		assert_int_equal(match(&place, at, length), first);
	}
}

// However it is divided, and whatever its address.
TEST(pieces_are_as_the_whole) {
	enum { LENGTH = 2 * PAYLOAD_BLOCK + 1000 };
	struct random random = {4};
	uint8_t *whole = test_keep(malloc(LENGTH)), *pieces = test_keep(malloc(LENGTH));
	for (unsigned i = 0; i < 200; i++) {
		uint64_t position = random_place(&random).position / 2;
		payload_fill(&payload, i, position, whole, LENGTH);
		for (size_t done = 0, step; done < LENGTH; done += step) {
			const struct payload_place place = {i, .position = position + done};
			step = 1 + random_next(&random) % (i % 2 ? 50 : 40000);
			if (step > LENGTH - done)
				step = LENGTH - done;
			payload_fill(&payload, i, place.position, pieces + done, step);
			assert_int_equal(match(&place, whole + done, step), step);
		}
		assert_memory_equal(whole, pieces, LENGTH);
	}
}

// How many words of the first block of connection 5 are the same elsewhere, in a run.
static unsigned equal_words(uint64_t run, uint32_t connection, uint64_t position) {
	static struct payload other;
	static uint64_t a[PAYLOAD_BLOCK_WORDS], b[PAYLOAD_BLOCK_WORDS];
	unsigned equal = 0;
	payload_init(&other, run);
	payload_fill(&payload, 5, 0, a, sizeof(a));
	payload_fill(&other, connection, position, b, sizeof(b));
	for (size_t i = 0; i < PAYLOAD_BLOCK_WORDS; i++)
		equal += a[i] == b[i];
	return equal;
}

TEST(runs_connections_and_blocks_differ) {
	assert_int_equal(equal_words(43, 5, 0), 0);
	assert_int_equal(equal_words(42, 6, 0), 0);
	assert_int_equal(equal_words(42, 5, PAYLOAD_BLOCK), 0);
	assert_int_equal(equal_words(42, 5, 0), PAYLOAD_BLOCK_WORDS);
}

TEST(it_does_not_compress) {
	enum { LENGTH = 1 << 20 };
	uint8_t *bytes = test_keep(malloc(LENGTH));
	uLongf size = compressBound(LENGTH);
	uint8_t *compressed = test_keep(malloc(size));
	payload_fill(&payload, 0, 0, bytes, LENGTH);
	assert_int_equal(compress2(compressed, &size, bytes, LENGTH, 9), Z_OK);
	print_message("1 MiB compresses to %.2f %%\n", 100.0 * (double)size / (double)LENGTH);
	assert_true(size >= LENGTH);
}
