// One fault on purpose. Where several descriptions are the same byte for byte the leftmost is
// given, but none that reaches before the start of the connection. Any thread.
#include "spoil.h"

#include <string.h>

#include "base/assert.h"

#define LEAST 16   // bytes of a range that tell where they come from
#define APART 16   // bytes between a range that comes again and the place where it does
#define FLIPPED 16 // bytes within which bits are flipped

static uint64_t between(struct spoil *spoil, uint64_t least, uint64_t most) {
	return least + random_next(&spoil->random) % (most - least + 1);
}

static uint8_t right(const struct spoil *spoil, uint64_t position) {
	uint8_t byte;
	payload_fill(spoil->payload, spoil->connection, position, &byte, 1);
	return byte;
}

static size_t plan_length(struct spoil *spoil, uint64_t message) {
	static const size_t least[FAULT_KINDS] = {
		[FAULT_FLIPPED] = 1,	     [FAULT_LOST] = 1,
		[FAULT_REPEATED] = 1,	     [FAULT_REORDERED] = LEAST,
		[FAULT_CROSSED] = 2 * LEAST, [FAULT_FOREIGN] = 1,
		[FAULT_TRUNCATED] = 0,	     [FAULT_SURPLUS] = 1,
	};
	size_t from = spoil->kind == FAULT_FOREIGN && spoil->in_place ? LEAST : least[spoil->kind];
	if (spoil->kind == FAULT_FLIPPED)
		return between(spoil, from, FLIPPED);
	if (spoil->kind == FAULT_TRUNCATED)
		return 0;
	uint64_t most = message / 4 < SPOIL_MOST ? message / 4 : SPOIL_MOST;
	if (between(spoil, 0, 1)) // small ones often
		most = from + 40;
	return between(spoil, from, most);
}

static size_t plan_takes(struct spoil *spoil) {
	switch (spoil->kind) {
	case FAULT_FLIPPED:
	case FAULT_LOST:
	case FAULT_CROSSED:
		return spoil->length;
	case FAULT_FOREIGN:
		return spoil->in_place ? spoil->length : 0;
	case FAULT_REORDERED:
		return spoil->length + between(spoil, LEAST, spoil->length + LEAST);
	default:
		return 0;
	}
}

// Often at one of the ends.
static uint64_t plan_place(struct spoil *spoil, uint64_t least, uint64_t most) {
	uint64_t near = most - least < 16 ? most - least : 16;
	switch (between(spoil, 0, 7)) {
	case 0:
		return between(spoil, least, least + near);
	case 1:
		return between(spoil, most - near, most);
	default:
		return between(spoil, least, most);
	}
}

void spoil_plan(struct spoil *spoil, const struct payload *payload, const struct spoil_terms *terms,
		uint64_t seed, uint32_t connection, uint64_t start) {
	*spoil = (struct spoil){
		.payload = payload,
		.connection = connection,
		.start = start,
		.kind = terms->kind,
		.random = {seed ^ (uint64_t)connection << 40 ^ start << 4 ^ terms->kind},
	};
	spoil->in_place = between(spoil, 0, 1);
	spoil->length = plan_length(spoil, terms->message);
	spoil->takes = plan_takes(spoil);
	uint64_t before = spoil->kind == FAULT_REPEATED ? spoil->length + APART : 0;
	if (spoil->kind == FAULT_TRUNCATED)
		before = 1;
	uint64_t message = between(spoil, 0, terms->messages - 1);
	spoil->at = start + message * terms->message +
		    plan_place(spoil, before, terms->message - spoil->takes - SPOIL_AFTER);
	// Between two echoes of a stream of them it would be an end and no fault.
	if (spoil->kind == FAULT_TRUNCATED && (spoil->at - start) % SPOIL_ECHO == 0)
		spoil->at++;
	if (spoil->kind == FAULT_SURPLUS)
		spoil->at = UINT64_MAX;
	// What comes again is what came just before, or what came some time before that.
	spoil->from = spoil->at - spoil->length;
	if (spoil->kind == FAULT_REPEATED && spoil->length >= 2 * LEAST && between(spoil, 0, 1))
		spoil->from = between(spoil, start, spoil->from - APART);
}

static void say(struct spoil *spoil, uint64_t offset, uint64_t length) {
	spoil->fault = (struct fault){.kind = spoil->kind,
				      .connection = spoil->connection,
				      .offset = offset,
				      .length = length};
}

static size_t flip(struct spoil *spoil, uint8_t *bytes) {
	uint8_t masks[FLIPPED] = {0};
	for (uint64_t bits = between(spoil, 1, 8); bits > 0; bits--) {
		uint64_t bit = between(spoil, 0, spoil->length * 8 - 1);
		masks[bit / 8] |= (uint8_t)(1U << bit % 8);
	}
	payload_fill(spoil->payload, spoil->connection, spoil->at, bytes, spoil->length);
	size_t first = 0, last = spoil->length - 1;
	while (!masks[first])
		first++;
	while (!masks[last])
		last--;
	uint8_t all = 0;
	for (size_t i = first; i <= last; i++) {
		bytes[i] ^= masks[i];
		all |= masks[i];
	}
	say(spoil, spoil->at + first, last - first + 1);
	spoil->fault.bits = all;
	return spoil->length;
}

static size_t lose(struct spoil *spoil) {
	uint64_t at = spoil->at;
	while (at > spoil->start && right(spoil, at - 1) == right(spoil, at + spoil->length - 1))
		at--;
	say(spoil, at, spoil->length);
	return 0;
}

static size_t repeat(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at, from = spoil->from;
	payload_fill(spoil->payload, spoil->connection, from, bytes, spoil->length);
	while (from > spoil->start && right(spoil, from - 1) == right(spoil, at - 1) &&
	       right(spoil, from + spoil->length - 1) == right(spoil, at - 1)) {
		from--;
		at--;
	}
	say(spoil, from, spoil->length);
	return spoil->length;
}

static size_t reorder(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at;
	size_t second = spoil->takes - spoil->length;
	payload_fill(spoil->payload, spoil->connection, at + spoil->length, bytes, second);
	payload_fill(spoil->payload, spoil->connection, at, bytes + second, spoil->length);
	while (at > spoil->start && right(spoil, at - 1) == right(spoil, at + spoil->length - 1) &&
	       right(spoil, at - 1) == right(spoil, at + spoil->takes - 1))
		at--;
	say(spoil, at, spoil->length);
	return spoil->takes;
}

// Says that `length` other bytes came in the place of as many: from the first that differs to the
// last. Returns how many before it do not.
static size_t say_replaced(struct spoil *spoil, const uint8_t *bytes, size_t length) {
	size_t first = 0;
	while (bytes[first] == right(spoil, spoil->at + first))
		first++;
	while (bytes[length - 1] == right(spoil, spoil->at + length - 1))
		length--;
	say(spoil, spoil->at + first, length - first);
	return first;
}

static size_t put_random(struct spoil *spoil, uint8_t *bytes) {
	for (size_t i = 0; i < spoil->length; i++)
		bytes[i] = (uint8_t)random_next(&spoil->random);
	return spoil->length;
}

static size_t put_foreign(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at;
	if (spoil->in_place) {
		put_random(spoil, bytes);
		say_replaced(spoil, bytes, spoil->length);
		return spoil->length;
	}
	do
		put_random(spoil, bytes);
	while ((at > spoil->start && bytes[spoil->length - 1] == right(spoil, at - 1)) ||
	       // Could be those that are to come there.
	       payload_match(spoil->payload, spoil->connection, at, bytes, spoil->length) ==
		       spoil->length);
	say(spoil, at, spoil->length);
	return spoil->length;
}

static size_t append(struct spoil *spoil, uint64_t end, uint8_t *bytes) {
	do
		put_random(spoil, bytes);
	while (bytes[spoil->length - 1] == right(spoil, end - 1)); // could be that, come again
	say(spoil, end, spoil->length);
	return spoil->length;
}

size_t spoil_make(struct spoil *spoil, uint64_t end, uint8_t *bytes) {
	switch (spoil->kind) {
	case FAULT_FLIPPED:
		return flip(spoil, bytes);
	case FAULT_LOST:
		return lose(spoil);
	case FAULT_REPEATED:
		return repeat(spoil, bytes);
	case FAULT_REORDERED:
		return reorder(spoil, bytes);
	case FAULT_FOREIGN:
		return put_foreign(spoil, bytes);
	case FAULT_SURPLUS:
		return append(spoil, end, bytes);
	default:
		ensure(spoil->kind == FAULT_TRUNCATED);
		say(spoil, spoil->at, 0);
		return 0;
	}
}

size_t spoil_cross(struct spoil *one, struct spoil *other, uint8_t *bytes, uint8_t *other_bytes) {
	size_t length = one->length < other->length ? one->length : other->length;
	one->takes = other->takes = length;
	payload_fill(other->payload, other->connection, other->at, bytes, length);
	payload_fill(one->payload, one->connection, one->at, other_bytes, length);
	size_t first = say_replaced(one, bytes, length);
	one->fault.other = other->connection;
	one->fault.other_offset = other->at + first;
	first = say_replaced(other, other_bytes, length);
	other->fault.other = one->connection;
	other->fault.other_offset = one->at + first;
	return length;
}
