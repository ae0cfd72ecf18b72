// Finding, naming and locating faults: tools/echoload/verify.
#include "test.h"

#include "echoload_corrupt.h"
#include "echoload_heard.h"

#define CONNECTIONS HEARD_CONNECTIONS
#define LENGTH 12000		    // bytes sent on each connection
#define LONG 300000		    // of some
#define LARGEST ((size_t)256 << 10) // bytes taken at once
#define MOST 10000		    // bytes of a fault
#define SEEDS (sizeof(ECHOD_SANITIZE) > 1 ? 50U : 1000U)
#define PIECES (sizeof(ECHOD_SANITIZE) > 1 ? 1000U : 20000U)  // of each small size
#define CLEAN ((sizeof(ECHOD_SANITIZE) > 1 ? 1U : 32U) << 18) // bytes in pieces of each larger size

static struct heard heard;

static void make(void) {
	heard_init(&heard, LENGTH);
}

FIXTURE_ONCE(make, NULL);

// Of any order of magnitude.
static size_t any_size(struct random *random) {
	size_t most = (size_t)1 << random_next(random) % 19;
	return most / 2 + random_next(random) % (most - most / 2) + 1;
}

// Has `corrupt` verified in pieces of up to `most` bytes, when `ahead` bytes more have been sent
// than that takes; `heard` has the faults. Returns how many bytes were right.
static uint64_t deliver(const struct corrupt *corrupt, struct random *random, size_t most,
			uint64_t ahead, bool whole) {
	uint64_t *sent = &heard.sent[corrupt->connection];
	struct verify verify;
	heard.count = 0;
	verify = (struct verify){.scope = &heard.scope, .connection = corrupt->connection};
	for (size_t done = 0, step; done < corrupt->count; done += step) {
		step = 1 + random_next(random) % most;
		if (step > corrupt->count - done)
			step = corrupt->count - done;
		uint64_t reach = corrupt_reach(corrupt, done + step);
		*sent = corrupt->length - reach < ahead ? corrupt->length : reach + ahead;
		assert_int_equal(verify_bytes(&verify, corrupt->bytes + done, step), 0);
	}
	*sent = corrupt->length;
	bool right = verify_end(&verify, whole);
	assert_int_equal(right, heard.count == 0);
	assert_int_equal(verify.faults, heard.count);
	verify_free(&verify);
	return verify.verified;
}

// The same faults in the same order, however the bytes arrive.
static void assert_pieces_do_not_matter(const struct corrupt *corrupt, struct random *random) {
	static const size_t most[] = {1, 10, LARGEST};
	struct heard before = heard;
	for (unsigned i = 0; i < COUNT_OF(most); i++) {
		deliver(corrupt, random, most[i], any_size(random), true);
		assert_int_equal(heard.count, before.count);
		for (unsigned fault = 0; fault < heard.count; fault++)
			assert_true(heard_same(&heard.fault[fault], &before.fault[fault]));
	}
}

static void check(struct corrupt *corrupt, uint64_t seed) {
	struct random *random = &corrupt->random;
	corrupt_finish(corrupt);
	size_t most = any_size(random);
	deliver(corrupt, random, most, any_size(random), true);
	heard_assert(&heard, corrupt->expected, corrupt->faults);
	if (seed % 20 == 0)
		assert_pieces_do_not_matter(corrupt, random);
	corrupt_free(corrupt);
}

static uint64_t any_length(uint64_t seed) {
	uint64_t length = seed % 20 == 1 ? LONG : LENGTH;
	heard_set_sent(&heard, length);
	return length;
}

static uint64_t most_of(uint64_t length) {
	return length / 5 < MOST ? length / 5 : MOST;
}

static const struct fault_row {
	const char *name;
	enum spoil_kind kind;
} fault_rows[] = {
	{"flipped_bits", SPOIL_FLIP},		{"a_lost_range", SPOIL_DROP},
	{"a_repeated_range", SPOIL_REPEAT},	{"an_earlier_range_repeated", SPOIL_REPEAT_EARLIER},
	{"swapped_ranges", SPOIL_SWAP},		{"crossed_bytes_in_addition", SPOIL_CROSS_ADDED},
	{"injected_bytes", SPOIL_INJECT},	{"overwritten_bytes", SPOIL_OVERWRITE},
	{"a_truncated_stream", SPOIL_TRUNCATE}, {"bytes_after_the_end", SPOIL_APPEND},
};

TEST_ROWS(one_fault, const struct fault_row *row, fault_rows) {
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct corrupt corrupt;
		uint64_t length = any_length(seed);
		corrupt_begin(&corrupt, &heard.payload, (uint32_t)(seed % CONNECTIONS), length,
			      seed * SPOIL_KINDS + row->kind);
		uint64_t most = most_of(length);
		uint64_t other_offset = random_next(&corrupt.random) % (length - most);
		corrupt_do(&corrupt, row->kind, 0, most, (corrupt.connection + 1) % CONNECTIONS,
			   other_offset);
		check(&corrupt, seed);
	}
}

// Each of two connections gets bytes of the other.
TEST(crossed_connections) {
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct random random = {seed};
		uint64_t sent = any_length(seed);
		uint64_t length = 32 + random_next(&random) % (seed / 20 % 2 ? 100 : most_of(sent));
		uint64_t place[2];
		for (unsigned i = 0; i < 2; i++)
			place[i] = random_next(&random) % (sent - length + 1);
		for (uint32_t i = 0; i < 2; i++) {
			struct corrupt corrupt;
			corrupt_begin(&corrupt, &heard.payload, i, sent, seed);
			corrupt_cross(&corrupt, place[i], length, !i, place[!i]);
			check(&corrupt, seed);
		}
	}
}

static enum spoil_kind any(struct random *random, bool last) {
	for (;;) {
		enum spoil_kind kind = (enum spoil_kind)(random_next(random) % SPOIL_KINDS);
		if (last || (kind != SPOIL_TRUNCATE && kind != SPOIL_APPEND))
			return kind;
	}
}

// Two or three faults of any kind, with 32 right bytes or more between them.
TEST(faults_do_not_hide_each_other) {
	enum { SMALL = 200, ROOM = 32 + 3 * SMALL };
	for (uint64_t seed = 0; seed < 10 * SEEDS; seed++) {
		struct corrupt corrupt;
		uint64_t length = seed % 4 ? 3000 : LENGTH;
		heard_set_sent(&heard, length);
		corrupt_begin(&corrupt, &heard.payload, (uint32_t)(seed % CONNECTIONS), length,
			      seed);
		unsigned faults = 2 + seed % 2;
		for (unsigned i = 0; i < faults && corrupt.next + ROOM < length; i++)
			corrupt_do(&corrupt, any(&corrupt.random, i + 1 == faults), 32, SMALL,
				   (corrupt.connection + 1) % CONNECTIONS,
				   random_next(&corrupt.random) % (length - SMALL));
		check(&corrupt, seed);
	}
}

// `count` times a piece of `size` bytes, from somewhere in a stream on.
static void assert_clean(struct random *random, size_t size, uint64_t count) {
	static uint8_t bytes[1 << 20];
	uint32_t connection = (uint32_t)(random_next(random) % CONNECTIONS);
	size_t fit = sizeof(bytes) / size;
	size_t whole = (fit < count ? fit : count) * size;
	struct verify verify;
	heard.count = 0;
	heard_set_sent(&heard, PAYLOAD_STREAM);
	verify = (struct verify){.scope = &heard.scope, .connection = connection};
	verify.position = random_next(random) % (PAYLOAD_STREAM / 2);
	for (uint64_t done = 0; done < count; done += whole / size) {
		payload_fill(&heard.payload, connection, verify.position, bytes, whole);
		for (size_t at = 0; at < whole; at += size)
			assert_int_equal(verify_bytes(&verify, bytes + at, size), 0);
		assert_null(verify.resync);
		assert_true(verify.verified == (done + whole / size) * size);
	}
	assert_true(verify_end(&verify, false));
	assert_int_equal(heard.count, 0);
}

// Of all sizes up to 300 and around the powers of two from there to the largest.
TEST(clean_bytes_are_no_fault) {
	struct random random = {5};
	for (size_t size = 1; size <= 300; size++)
		assert_clean(&random, size, PIECES);
	for (size_t power = 512; power <= LARGEST; power *= 2)
		for (size_t size = power - 9; size <= power + 9; size++)
			assert_clean(&random, size, CLEAN / size);
}

// We have aborted it: what has not come by then is no fault.
TEST(an_aborted_stream_is_no_fault) {
	struct corrupt corrupt;
	heard_set_sent(&heard, LENGTH);
	corrupt_begin(&corrupt, &heard.payload, 0, LENGTH, 1);
	corrupt_finish(&corrupt);
	corrupt.count = LENGTH / 2;
	assert_int_equal(deliver(&corrupt, &corrupt.random, 1000, LENGTH, false), LENGTH / 2);
	assert_int_equal(heard.count, 0);
	corrupt_free(&corrupt);
}
