// Corrupting a stream on purpose, and saying exactly what was done: of all descriptions that are
// the same byte for byte, the leftmost. Test's own thread.
#include "echoload_corrupt.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define MOST 20000 // bytes that all that is done to a stream may add to it

static uint64_t below(struct corrupt *corrupt, uint64_t end) {
	return random_next(&corrupt->random) % end;
}

static uint64_t between(struct corrupt *corrupt, uint64_t least, uint64_t most) {
	return least + below(corrupt, most - least + 1);
}

void corrupt_begin(struct corrupt *corrupt, const struct payload *payload, uint32_t connection,
		   uint64_t length, uint64_t seed) {
	*corrupt = (struct corrupt){.payload = payload,
				    .connection = connection,
				    .length = length,
				    .random = {seed},
				    .sent = malloc(length),
				    .bytes = malloc(length + MOST)};
	ensure(corrupt->sent && corrupt->bytes);
	payload_fill(payload, connection, 0, corrupt->sent, length);
}

void corrupt_free(struct corrupt *corrupt) {
	free(corrupt->sent);
	free(corrupt->bytes);
}

static uint8_t *extend(struct corrupt *corrupt, uint64_t length) {
	uint8_t *at = corrupt->bytes + corrupt->count;
	ensure(corrupt->count + length <= corrupt->length + MOST);
	corrupt->count += length;
	return at;
}

static uint8_t *put(struct corrupt *corrupt, uint64_t from, uint64_t length) {
	ensure(corrupt->stretches < CORRUPT_STRETCHES);
	corrupt->stretch[corrupt->stretches++] =
		(struct corrupt_stretch){corrupt->count, from, length};
	return memcpy(extend(corrupt, length), corrupt->sent + from, length);
}

uint64_t corrupt_reach(const struct corrupt *corrupt, size_t count) {
	uint64_t reach = 0;
	for (unsigned i = 0; i < corrupt->stretches; i++) {
		const struct corrupt_stretch *stretch = &corrupt->stretch[i];
		if (stretch->at >= count)
			break;
		uint64_t come = count - stretch->at;
		uint64_t end = stretch->from + (come < stretch->length ? come : stretch->length);
		reach = end > reach ? end : reach;
	}
	return reach;
}

static void through(struct corrupt *corrupt, uint64_t end) {
	put(corrupt, corrupt->next, end - corrupt->next);
	corrupt->next = end;
}

void corrupt_finish(struct corrupt *corrupt) {
	through(corrupt, corrupt->length);
}

static struct fault *expect(struct corrupt *corrupt, enum fault_kind kind, uint64_t offset,
			    uint64_t length) {
	ensure(corrupt->faults < CORRUPT_FAULTS);
	struct fault *fault = &corrupt->expected[corrupt->faults++];
	*fault = (struct fault){.kind = kind,
				.connection = corrupt->connection,
				.offset = offset,
				.length = length};
	return fault;
}

static void flip(struct corrupt *corrupt, uint64_t at, uint64_t length) {
	uint8_t *bytes = put(corrupt, at, length);
	corrupt->next = at + length;
	uint8_t mask[16] = {0};
	ensure(length <= sizeof(mask));
	for (uint64_t bits = between(corrupt, 1, 8); bits > 0;) {
		uint64_t bit = below(corrupt, length * 8);
		uint8_t old = mask[bit / 8];
		mask[bit / 8] |= (uint8_t)(1U << bit % 8);
		bits -= mask[bit / 8] != old;
	}
	uint64_t first = length, last = 0;
	uint8_t all = 0;
	for (uint64_t i = 0; i < length; i++) {
		bytes[i] ^= mask[i];
		all |= mask[i];
		if (mask[i] && first == length)
			first = i;
		if (mask[i])
			last = i;
	}
	expect(corrupt, FAULT_FLIPPED, at + first, last - first + 1)->bits = all;
}

static void drop(struct corrupt *corrupt, uint64_t at, uint64_t length) {
	const uint8_t *sent = corrupt->sent;
	corrupt->next = at + length;
	while (at > 0 && sent[at - 1] == sent[at + length - 1])
		at--;
	expect(corrupt, FAULT_LOST, at, length);
}

// [from, from + length) comes again before `at`.
static void repeat(struct corrupt *corrupt, uint64_t at, uint64_t from, uint64_t length) {
	const uint8_t *sent = corrupt->sent;
	put(corrupt, from, length);
	while (from > 0 && sent[from - 1] == sent[at - 1] &&
	       sent[from + length - 1] == sent[at - 1]) {
		from--;
		at--;
	}
	expect(corrupt, FAULT_REPEATED, from, length);
}

static void swap(struct corrupt *corrupt, uint64_t at, uint64_t first, uint64_t second) {
	const uint8_t *sent = corrupt->sent;
	put(corrupt, at + first, second);
	put(corrupt, at, first);
	corrupt->next = at + first + second;
	while (at > 0 && sent[at - 1] == sent[at + first - 1] &&
	       sent[at - 1] == sent[at + first + second - 1])
		at--;
	expect(corrupt, FAULT_REORDERED, at, first);
}

static void cross(struct corrupt *corrupt, uint64_t at, uint64_t length, uint32_t other,
		  uint64_t other_offset, bool added) {
	uint8_t *piece = extend(corrupt, length);
	payload_fill(corrupt->payload, other, other_offset, piece, length);
	const uint8_t *sent = corrupt->sent;
	if (added) {
		uint8_t before;
		for (; at > 0 && other_offset > 0; at--, other_offset--) {
			payload_fill(corrupt->payload, other, other_offset - 1, &before, 1);
			uint8_t last;
			payload_fill(corrupt->payload, other, other_offset + length - 1, &last, 1);
			if (sent[at - 1] != before || sent[at - 1] != last)
				break;
		}
	} else {
		corrupt->next = at + length;
		for (; *piece == sent[at]; piece++, length--) {
			at++;
			other_offset++;
		}
		while (piece[length - 1] == sent[at + length - 1])
			length--;
	}
	struct fault *fault = expect(corrupt, FAULT_CROSSED, at, length);
	fault->other = other;
	fault->other_offset = other_offset;
}

static uint8_t *put_random(struct corrupt *corrupt, uint64_t length) {
	uint8_t *bytes = extend(corrupt, length);
	for (uint64_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)random_next(&corrupt->random);
	return bytes;
}

static void inject(struct corrupt *corrupt, uint64_t at, uint64_t length) {
	const uint8_t *bytes = put_random(corrupt, length);
	const uint8_t *end = bytes + length;
	// As the bytes stand, those before them are also the right ones.
	while (at > 0 && end[-1] == corrupt->sent[at - 1]) {
		at--;
		bytes--;
		end--;
	}
	bool again =
		at + length <= corrupt->length && memcmp(bytes, corrupt->sent + at, length) == 0;
	expect(corrupt, again ? FAULT_REPEATED : FAULT_FOREIGN, at, length);
}

static void overwrite(struct corrupt *corrupt, uint64_t at, uint64_t length) {
	const uint8_t *bytes = put_random(corrupt, length);
	corrupt->next = at + length;
	for (; *bytes == corrupt->sent[at]; bytes++, length--)
		at++;
	while (bytes[length - 1] == corrupt->sent[at + length - 1])
		length--;
	expect(corrupt, FAULT_FOREIGN, at, length);
}

static void append(struct corrupt *corrupt, uint64_t length) {
	corrupt_finish(corrupt);
	const uint8_t *bytes = put_random(corrupt, length);
	bool again = memcmp(bytes, corrupt->sent + corrupt->length - length, length) == 0;
	if (again)
		expect(corrupt, FAULT_REPEATED, corrupt->length - length, length);
	else
		expect(corrupt, FAULT_SURPLUS, corrupt->length, length);
}

void corrupt_at(struct corrupt *corrupt, enum corruption corruption, uint64_t at, uint64_t length,
		uint32_t other, uint64_t other_offset) {
	uint64_t clean = corrupt->next;
	through(corrupt, at);
	switch (corruption) {
	case CORRUPT_FLIP:
		flip(corrupt, at, length);
		break;
	case CORRUPT_DROP:
		drop(corrupt, at, length);
		break;
	case CORRUPT_REPEAT:
		repeat(corrupt, at, at - length, length);
		break;
	case CORRUPT_REPEAT_EARLIER:
		repeat(corrupt, at, between(corrupt, clean, at - length - 1), length);
		break;
	case CORRUPT_SWAP:
		swap(corrupt, at, length, between(corrupt, 16, length + 16));
		break;
	case CORRUPT_CROSS:
	case CORRUPT_CROSS_ADDED:
		cross(corrupt, at, length, other, other_offset, corruption == CORRUPT_CROSS_ADDED);
		break;
	case CORRUPT_INJECT:
		inject(corrupt, at, length);
		break;
	case CORRUPT_OVERWRITE:
		overwrite(corrupt, at, length);
		break;
	case CORRUPT_TRUNCATE:
		corrupt->next = corrupt->length;
		expect(corrupt, FAULT_TRUNCATED, at, corrupt->length - at);
		break;
	case CORRUPT_APPEND:
		append(corrupt, length);
		break;
	case CORRUPTIONS:
		break;
	}
}

// How many bytes what is done takes at least, must have before it, and must leave after it (else it
// has another name).
struct demand {
	uint64_t least;
	bool before;
	uint64_t after;
};

static const struct demand demands[CORRUPTIONS] = {
	[CORRUPT_FLIP] = {1, false, 0},		[CORRUPT_DROP] = {1, false, 8},
	[CORRUPT_REPEAT] = {1, true, 0},	[CORRUPT_REPEAT_EARLIER] = {32, true, 0},
	[CORRUPT_SWAP] = {16, false, 32},	[CORRUPT_CROSS] = {32, false, 0},
	[CORRUPT_CROSS_ADDED] = {32, false, 8}, [CORRUPT_INJECT] = {1, false, 8},
	[CORRUPT_OVERWRITE] = {16, false, 0},	[CORRUPT_TRUNCATE] = {0, false, 1},
	[CORRUPT_APPEND] = {1, false, 0},
};

void corrupt_do(struct corrupt *corrupt, enum corruption corruption, uint64_t gap, uint64_t most,
		uint32_t other, uint64_t other_offset) {
	const struct demand *demand = &demands[corruption];
	uint64_t limit = corruption == CORRUPT_FLIP ? 16 : most;
	uint64_t length = between(corrupt, demand->least, limit);
	if (below(corrupt, 2)) // small ones often
		length = between(corrupt, demand->least,
				 length < demand->least + 40 ? length : demand->least + 40);
	uint64_t least = corrupt->next + gap + (demand->before ? length + 1 : 0);
	uint64_t takes = corruption == CORRUPT_SWAP ? 2 * length : length;
	uint64_t latest = corrupt->length - takes - demand->after;
	ensure(least <= latest);
	// Often at one of the ends.
	uint64_t at = between(corrupt, least, latest);
	if (below(corrupt, 8) == 0)
		at = between(corrupt, least, least + 16 < latest ? least + 16 : latest);
	else if (below(corrupt, 8) == 0)
		at = between(corrupt, latest > least + 16 ? latest - 16 : least, latest);
	corrupt_at(corrupt, corruption, at, length, other, other_offset);
}
