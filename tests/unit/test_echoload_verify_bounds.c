// Verification keeps a bounded number of bytes, and locates even faults too small for a name:
// tools/echoload/verify.
#include "test.h"

#include "echoload/common/random.h"
#include "echoload/verify/resync.h"
#include "echoload_heard.h"

#define MIB ((uint64_t)1 << 20)
#define SENT (8 * MIB)
#define PIECE 65536

static struct heard heard;
static struct verify verify;
static uint8_t buffer[PIECE];
static struct random dice;
static bool no_memory;

WRAP(void *, malloc, (size_t size)) {
	if (!no_memory)
		return __real_malloc(size);
	errno = ENOMEM;
	return NULL;
}

BEFORE_EACH {
	heard_init(&heard, SENT);
	dice.state = 2;
	verify = (struct verify){.scope = &heard.scope, .connection = 0};
}

AFTER_EACH { verify_free(&verify); }

#define RANDOM UINT32_MAX // in place of a connection: from none

static void give(size_t length) {
	assert_int_equal(verify_bytes(&verify, buffer, length), 0);
	if (verify.resync)
		assert_true(verify.resync->count <= MIB && verify.resync->pieces <= RESYNC_PIECES &&
			    verify.resync->missing_count <= RESYNC_MISSING);
}

// Bytes [from, to) of a connection come, with `flip` in the first of each eight.
static void come(uint32_t connection, uint64_t from, uint64_t to, uint8_t flip) {
	size_t length;
	for (; from < to; from += length) {
		length = to - from < PIECE ? (size_t)(to - from) : PIECE;
		if (connection == RANDOM) // in pieces of any size
			length = 1 + random_next(&dice) % (length < 999 ? length : 999);
		for (size_t i = 0; i < length && connection == RANDOM; i++)
			buffer[i] = (uint8_t)random_next(&dice);
		if (connection != RANDOM)
			payload_fill(&heard.payload, connection, from, buffer, length);
		for (size_t i = 0; i < length; i += 8)
			buffer[i] ^= flip;
		give(length);
	}
}

static void assert_faults(const struct fault *expected, unsigned count, bool early) {
	verify_end(&verify, !early);
	heard_assert(&heard, expected, count);
	assert_int_equal(verify.truncated,
			 count > 0 && expected[count - 1].kind == FAULT_TRUNCATED);
}

// Ranges as they come, and the faults that are found in them. Zeros follow the last of both.
static const struct row {
	const char *name;
	struct {
		uint32_t connection;
		uint64_t from, to;
	} ranges[7];
	struct fault faults[4];
	uint64_t wrong; // bytes of the stream that have not come, or are not right
	bool early;	// we have ended it
} rows[] = {
	{"short swap",
	 {{0, 0, 1000}, {0, 1003, 1006}, {0, 1000, 1003}, {0, 1006, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 6}},
	 .wrong = 6},
	{"short crossings",
	 {{0, 0, 1000}, {1, 1000, 1005}, {0, 1005, 2000}, {1, 1000, 1005}, {0, 2000, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 5},
		    {FAULT_FOREIGN, .offset = 2000, .length = 5}},
	 .wrong = 5},
	{"late range in parts",
	 {{0, 0, 1000},
	  {0, 2000, 3000},
	  {0, 1400, 1600},
	  {0, 1000, 1400},
	  {0, 1600, 2000},
	  {0, 3000, SENT}},
	 .faults = {{FAULT_REORDERED, .offset = 1000, .length = 400},
		    {FAULT_REORDERED, .offset = 1400, .length = 200},
		    {FAULT_REORDERED, .offset = 1600, .length = 400}}},
	{"random bytes in place",
	 {{0, 0, 1000}, {RANDOM, 0, 3 * MIB}, {0, 1000 + 3 * MIB, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 3 * MIB}},
	 .wrong = 3 * MIB},
	{"random bytes in addition",
	 {{0, 0, 1000}, {RANDOM, 0, 3 * MIB}, {0, 1000, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 3 * MIB}}},
	{"another's where no more can be kept",
	 {{0, 0, 1000}, {RANDOM, 0, MIB - 12}, {1, 3000, 4000}, {0, 1000, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = MIB - 12},
		    {FAULT_CROSSED, .offset = 1000, .length = 1000, .other = 1,
		     .other_offset = 3000}}},
	{"of no connection",
	 {{0, 0, 1000}, {HEARD_CONNECTIONS, 1000, 1100}, {0, 1100, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 100}},
	 .wrong = 100},
	{"three right bytes before others", // as if none of them had come
	 {{0, 0, 1003}, {RANDOM, 0, 30}, {0, 1000, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 33}}},
	{"four right bytes before others", // they come again
	 {{0, 0, 1004}, {RANDOM, 0, 30}, {0, 1000, SENT}},
	 .faults = {{FAULT_REPEATED, .offset = 1000, .length = 4},
		    {FAULT_FOREIGN, .offset = 1004, .length = 30}}},
	{"too late",
	 {{0, 0, 1000}, {0, 2000, 2000 + 2 * MIB}, {0, 1000, 2000}, {0, 2000 + 2 * MIB, SENT}},
	 .faults = {{FAULT_LOST, .offset = 1000, .length = 1000},
		    {FAULT_REPEATED, .offset = 1000, .length = 1000}},
	 .wrong = 1000},
	{"the end again",
	 {{0, 0, SENT}, {0, SENT - 5, SENT}},
	 .faults = {{FAULT_REPEATED, .offset = SENT - 5, .length = 5}}},
	{"others before the last three bytes",
	 {{0, 0, SENT - 3}, {RANDOM, 0, 30}, {0, SENT - 3, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = SENT - 3, .length = 30}}},
	{"a loss before the last four bytes",
	 {{0, 0, SENT - 999}, {RANDOM, 0, 30}, {0, SENT - 4, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = SENT - 999, .length = 30},
		    {FAULT_LOST, .offset = SENT - 999, .length = 995}},
	 .wrong = 995},
	{"a loss before the last three bytes",
	 {{0, 0, SENT - 999}, {RANDOM, 0, 30}, {0, SENT - 3, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = SENT - 999, .length = 33},
		    {FAULT_TRUNCATED, .offset = SENT - 966, .length = 966}},
	 .wrong = 999},
	{"ended by us", {{0, 0, 1000}}, .wrong = SENT - 1000, .early = true},
	{"ended by us at bytes of the end",
	 {{0, 0, 1000}, {0, SENT - 10, SENT}},
	 .faults = {{FAULT_FOREIGN, .offset = 1000, .length = 10}},
	 .wrong = SENT - 1000,
	 .early = true},
};

TEST_ROWS(faults_are_located, const struct row *row, rows) {
	unsigned faults = 0;
	for (size_t i = 0; row->ranges[i].to > 0; i++)
		come(row->ranges[i].connection, row->ranges[i].from, row->ranges[i].to, 0);
	while (row->faults[faults].length > 0)
		faults++;
	assert_faults(row->faults, faults, row->early);
	assert_int_equal(verify.verified, SENT - row->wrong);
}

// The byte before the start equals the last of those that are lost.
TEST(nothing_came_before_the_start) {
	payload_fill(&heard.payload, 0, 0, buffer, PIECE);
	while (verify.start == 0 || buffer[verify.start - 1] != buffer[verify.start + 99])
		verify.position = ++verify.start;
	come(0, verify.start + 100, SENT, 0);
	assert_faults(&(struct fault){FAULT_LOST, .offset = verify.start, .length = 100}, 1, false);
}

TEST(damage_has_few_bits) {
	static const struct {
		uint8_t bytes, bits; // that differ in each
		bool few;
	} cases[] = {{2, 0xF0, true}, {3, 0x07, false}, {16, 0x01, true}, {16, 0x81, false}};
	struct fault expected[COUNT_OF(cases)];
	uint64_t at = 0;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t bits = cases[i].bits;
		come(0, at, at + 1000, 0);
		at += 1000;
		expected[i] =
			(struct fault){cases[i].few ? FAULT_FLIPPED : FAULT_FOREIGN, .offset = at,
				       .length = cases[i].bytes, .bits = cases[i].few ? bits : 0};
		for (uint64_t end = at + cases[i].bytes; at < end; at++)
			come(0, at, at + 1, bits);
	}
	come(0, at, SENT, 0);
	assert_faults(expected, COUNT_OF(cases), false);
}

TEST(lost_bytes_are_named_before_the_end) {
	come(0, 0, 1000, 0);
	come(0, 2000, 2000 + MIB - 1, 0);
	assert_int_equal(heard.count, 0);
	come(0, 2000 + MIB - 1, 2000 + MIB, 0);
	assert_int_equal(heard.count, 1);
	assert_null(verify.resync);
	come(0, 2000 + MIB, SENT, 0);
	assert_faults(&(struct fault){FAULT_LOST, .offset = 1000, .length = 1000}, 1, false);
}

TEST(many_missing_ranges) {
	for (unsigned i = 0; i < 100; i++)
		come(0, i * 100, i * 100 + 50, 0);
	assert_int_equal(heard.count, 99 - RESYNC_MISSING);
	assert_int_equal(heard.fault[0].offset, 50);
	come(0, 9950, SENT, 0);
	verify_end(&verify, true);
	assert_int_equal(heard.count, 99);
}

// A bit that is stuck: hardly ever do 16 right bytes come in a row.
TEST(a_bit_of_every_word_is_flipped) {
	come(0, 0, 1000, 0);
	come(0, 1000, 1000 + 3 * MIB, 0x10);
	come(0, 1000 + 3 * MIB, SENT, 0);
	verify_end(&verify, true);
	assert_in_range(heard.count, 3, 4);
	uint64_t right = 0;
	for (unsigned i = 0; i < heard.count; i++) {
		assert_int_equal(heard.fault[i].kind, FAULT_FLIPPED);
		assert_int_equal(heard.fault[i].bits, 0x10);
		right += heard.fault[i].length;
	}
	assert_in_range(right, 3 * MIB - 8 * heard.count, 3 * MIB);
}

TEST(a_stream_that_is_all_anothers) {
	come(2, 100, 100 + 5 * MIB, 0);
	assert_true(verify.resync->count <= 4096);
	come(2, 100 + 5 * MIB, SENT, 0);
	const struct fault expected[] = {
		{FAULT_CROSSED, .length = SENT - 100, .other = 2, .other_offset = 100},
		{FAULT_TRUNCATED, .offset = SENT - 100, .length = 100}};
	assert_faults(expected, COUNT_OF(expected), false);
}

// More pieces of others' than are kept: in place they are exact all the same.
TEST(many_pieces_of_others) {
	struct fault expected[RESYNC_PIECES + 4];
	come(0, 0, 1000, 0);
	for (unsigned i = 0; i < COUNT_OF(expected); i++) {
		expected[i] = (struct fault){FAULT_CROSSED, .offset = 1000 + 100 * i, .length = 100,
					     .other = 1 + i % 2, .other_offset = 5000 * i};
		come(expected[i].other, 5000 * i, 5000 * i + 100, 0);
	}
	come(0, 1000 + 100 * COUNT_OF(expected), SENT, 0);
	assert_faults(expected, COUNT_OF(expected), false);
}

TEST(without_memory_it_says_so) {
	static const uint8_t wrong[100];
	no_memory = true;
	int failed = verify_bytes(&verify, wrong, sizeof(wrong));
	no_memory = false;
	assert_int_equal(failed, -1);
	assert_int_equal(errno, ENOMEM);
}
