// Finding, naming and locating faults: tools/echoload/verify.
#include "test.h"

#include "echoload_heard.h"
#include "spoil.h"

#define CONNECTIONS HEARD_CONNECTIONS
#define LENGTH 12000		    // bytes sent on each connection
#define LONG 300000		    // of some
#define LARGEST ((size_t)256 << 10) // bytes taken at once
#define FAULTS 3		    // of a stream
#define RECEIVED (LONG + FAULTS * SPOIL_BYTES)
#define SEEDS (sizeof(ECHOD_SANITIZE) > 1 ? 50U : 1000U)

static struct heard heard;

// The stream of a connection as a faulty peer would return it, and what should be said of that.
static struct {
	uint32_t connection;
	uint64_t length; // of the stream as it was sent
	uint64_t next;	 // how much of it has come through
	uint64_t wrong;	 // bytes of it that have not come, or are not right
	struct random random;
	size_t count; // bytes received
	uint8_t bytes[RECEIVED];
	uint64_t reach[RECEIVED]; // how much must have been sent before the byte can have come
	unsigned faults;
	struct fault expected[FAULTS];
} stream;

BEFORE_ALL { heard_init(&heard, LENGTH); }

static void begin(uint32_t connection, uint64_t length, uint64_t seed) {
	heard_set_sent(&heard, length);
	stream.connection = connection;
	stream.length = length;
	stream.next = stream.wrong = stream.count = stream.faults = 0;
	stream.random.state = seed;
}

// Counts `length` bytes as received: those of the stream from there on, or wrong ones.
static void come(uint64_t from, size_t length, bool right) {
	uint64_t reach = stream.count > 0 ? stream.reach[stream.count - 1] : 0;
	for (size_t i = 0; i < length; i++) {
		if (right && from + i >= reach)
			reach = from + i + 1;
		stream.reach[stream.count++] = reach;
	}
}

// Lets right bytes through up to there.
static void through(uint64_t end) {
	size_t length = end - stream.next;
	payload_fill(&heard.payload, stream.connection, stream.next, stream.bytes + stream.count,
		     length);
	come(stream.next, length, true);
	stream.next = end;
}

static void make_fault(struct spoil *spoil) {
	through(spoil->at);
	size_t length = spoil_make(spoil, stream.bytes + stream.count);
	if (spoil->kind == SPOIL_SWAP) {
		come(spoil->at + spoil->length, spoil->takes - spoil->length, true);
		length = spoil->length;
	}
	come(spoil->at, length, spoil->kind == SPOIL_FLIP);
	stream.next += spoil->takes;
	assert_true(stream.faults < FAULTS);
	stream.expected[stream.faults++] = spoil->fault;
	stream.wrong += spoil->takes > 0 && spoil->kind != SPOIL_SWAP ? spoil->fault.length : 0;
}

// Makes a fault of up to `most` bytes, at least `gap` right ones on.
static void make_any(enum spoil_kind kind, uint64_t gap, uint64_t most) {
	struct spoil spoil = {kind, .payload = &heard.payload, .connection = stream.connection,
			      .start = stream.next, .other = (stream.connection + 1) % CONNECTIONS};
	spoil.other_offset = random_next(&stream.random) % (stream.length - most);
	spoil.random.state = random_next(&stream.random);
	spoil_plan(&spoil, stream.next + gap, stream.length, most);
	if (kind == SPOIL_APPEND)
		spoil.at = stream.length;
	make_fault(&spoil);
	if (kind == SPOIL_TRUNCATE) {
		stream.expected[stream.faults - 1].length = stream.length - spoil.at;
		stream.wrong += stream.length - spoil.at;
		stream.next = stream.length;
	}
}

// Of any order of magnitude.
static size_t any_size(void) {
	size_t most = (size_t)1 << random_next(&stream.random) % 19;
	return most / 2 + random_next(&stream.random) % (most - most / 2) + 1;
}

// Has the stream verified in pieces of up to `most` bytes, when `ahead` bytes more have been sent
// than that takes; `heard` has the faults. Returns how many bytes were right.
static uint64_t deliver(size_t most, uint64_t ahead) {
	uint64_t *sent = &heard.sent[stream.connection];
	struct verify verify = {.scope = &heard.scope, .connection = stream.connection};
	heard.count = 0;
	for (size_t done = 0, step; done < stream.count; done += step) {
		step = 1 + random_next(&stream.random) % most;
		if (step > stream.count - done)
			step = stream.count - done;
		uint64_t reach = stream.reach[done + step - 1];
		*sent = stream.length - reach < ahead ? stream.length : reach + ahead;
		assert_int_equal(verify_bytes(&verify, stream.bytes + done, step), 0);
	}
	*sent = stream.length;
	bool right = verify_end(&verify, true);
	assert_int_equal(right, heard.count == 0);
	assert_int_equal(verify.faults, heard.count);
	verify_free(&verify);
	return verify.verified;
}

// The same faults in the same order, however the bytes arrive.
static void assert_pieces_do_not_matter(void) {
	static const size_t most[] = {1, 10, LARGEST};
	struct heard before = heard;
	for (unsigned i = 0; i < COUNT_OF(most); i++) {
		deliver(most[i], any_size());
		assert_int_equal(heard.count, before.count);
		for (unsigned fault = 0; fault < heard.count; fault++)
			assert_true(heard_same(&heard.fault[fault], &before.fault[fault]));
	}
}

static void check(uint64_t seed) {
	through(stream.length);
	size_t most = any_size();
	assert_int_equal(deliver(most, any_size()), stream.length - stream.wrong);
	heard_assert(&heard, stream.expected, stream.faults);
	if (seed % 20 == 0)
		assert_pieces_do_not_matter();
}

static uint64_t any_length(uint64_t seed) { return seed % 20 == 1 ? LONG : LENGTH; }

static uint64_t most_of(uint64_t length) {
	return length / 5 < SPOIL_MOST ? length / 5 : SPOIL_MOST;
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
		uint64_t length = any_length(seed);
		begin((uint32_t)(seed % CONNECTIONS), length, seed * SPOIL_KINDS + row->kind);
		make_any(row->kind, 0, most_of(length));
		check(seed);
	}
}

// Each of two connections gets bytes of the other.
TEST(crossed_connections) {
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct random random = {seed};
		uint64_t sent = any_length(seed);
		uint64_t length = 32 + random_next(&random) % (seed / 20 % 2 ? 100 : most_of(sent));
		struct spoil pair[2];
		for (uint32_t i = 0; i < 2; i++)
			pair[i] = (struct spoil){
				SPOIL_CROSS, .payload = &heard.payload, .connection = i,
				.at = random_next(&random) % (sent - length + 1), .length = length};
		spoil_exchange(&pair[0], &pair[1]);
		for (uint32_t i = 0; i < 2; i++) {
			begin(i, sent, seed);
			make_fault(&pair[i]);
			check(seed);
		}
	}
}

static enum spoil_kind any(bool last) {
	for (;;) {
		enum spoil_kind kind = (enum spoil_kind)(random_next(&stream.random) % SPOIL_KINDS);
		if (last || (kind != SPOIL_TRUNCATE && kind != SPOIL_APPEND))
			return kind;
	}
}

// Two or three faults of any kind, with 32 right bytes or more between them.
TEST(faults_do_not_hide_each_other) {
	enum { SMALL = 200, ROOM = 32 + 3 * SMALL };
	for (uint64_t seed = 0; seed < 10 * SEEDS; seed++) {
		begin((uint32_t)(seed % CONNECTIONS), seed % 4 ? 3000 : LENGTH, seed);
		unsigned faults = 2 + seed % 2;
		for (unsigned i = 0; i < faults && stream.next + ROOM < stream.length; i++)
			make_any(any(i + 1 == faults), 32, SMALL);
		check(seed);
	}
}
