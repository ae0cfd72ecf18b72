// One fault on purpose. Where several descriptions are the same byte for byte the leftmost is
// given, except any that reaches before the start of the connection.
#include "spoil.h"

#include "base/assert.h"

#define FLIPPED 16 // bytes within which bits are flipped

static uint64_t draw(struct spoil *spoil, uint64_t least, uint64_t most) {
	return least + random_next(&spoil->random) % (most - least + 1);
}

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

// How many bytes it is of at least, whether these do not come, whether as many must come before it,
// and how many must come after it: otherwise it has another name.
static const struct demand {
	uint64_t least;
	bool takes, before;
	uint64_t after;
} demands[SPOIL_KINDS] = {
	[SPOIL_FLIP] = {1, true, false, 0},	     [SPOIL_DROP] = {1, true, false, 8},
	[SPOIL_REPEAT] = {1, false, true, 0},	     [SPOIL_REPEAT_EARLIER] = {32, false, true, 0},
	[SPOIL_SWAP] = {16, true, false, 16},	     [SPOIL_CROSS] = {32, true, false, 0},
	[SPOIL_CROSS_ADDED] = {32, false, false, 8}, [SPOIL_INJECT] = {1, false, false, 8},
	[SPOIL_OVERWRITE] = {16, true, false, 0},    [SPOIL_TRUNCATE] = {0, false, false, 1},
	[SPOIL_APPEND] = {1, false, false, 0},
};

// Often at one of the ends.
static uint64_t plan_place(struct spoil *spoil, uint64_t least, uint64_t most) {
	uint64_t near = lesser(most - least, 16);
	switch (draw(spoil, 0, 7)) {
	case 0:
		return draw(spoil, least, least + near);
	case 1:
		return draw(spoil, most - near, most);
	default:
		return draw(spoil, least, most);
	}
}

void spoil_plan(struct spoil *spoil, uint64_t least, uint64_t end, uint64_t most) {
	const struct demand *demand = &demands[spoil->kind];
	spoil->length = draw(spoil, demand->least, spoil->kind == SPOIL_FLIP ? FLIPPED : most);
	if (draw(spoil, 0, 1)) // small ones often
		spoil->length =
			draw(spoil, demand->least, lesser(spoil->length, demand->least + 40));
	spoil->takes = demand->takes ? spoil->length : 0;
	if (spoil->kind == SPOIL_SWAP)
		spoil->takes += draw(spoil, 16, spoil->length + 16);
	least += demand->before ? spoil->length + 1 : 0;
	ensure(least + spoil->takes + demand->after <= end);
	spoil->at = plan_place(spoil, least, end - spoil->takes - demand->after);
	spoil->from = spoil->at - spoil->length;
	if (spoil->kind == SPOIL_REPEAT_EARLIER)
		spoil->from = draw(spoil, spoil->start, spoil->from - 1);
}

void spoil_exchange(struct spoil *one, struct spoil *other) {
	one->length = one->takes = other->length = other->takes =
		lesser(one->length, other->length);
	one->other = other->connection;
	one->other_offset = other->at;
	other->other = one->connection;
	other->other_offset = one->at;
}

static uint8_t byte_of(const struct spoil *spoil, uint32_t connection, uint64_t position) {
	uint8_t byte;
	payload_fill(spoil->payload, connection, position, &byte, 1);
	return byte;
}

static uint8_t right(const struct spoil *spoil, uint64_t position) {
	return byte_of(spoil, spoil->connection, position);
}

static size_t put(const struct spoil *spoil, uint64_t from, size_t length, uint8_t *bytes) {
	payload_fill(spoil->payload, spoil->connection, from, bytes, length);
	return length;
}

static size_t put_random(struct spoil *spoil, uint8_t *bytes) {
	for (size_t i = 0; i < spoil->length; i++)
		bytes[i] = (uint8_t)random_next(&spoil->random);
	return spoil->length;
}

static void say(struct spoil *spoil, enum fault_kind kind, uint64_t offset, uint64_t length) {
	spoil->fault = (struct fault){
		.kind = kind, .connection = spoil->connection, .offset = offset, .length = length};
}

static size_t drop(struct spoil *spoil) {
	uint64_t at = spoil->at;
	while (at > spoil->start && right(spoil, at - 1) == right(spoil, at + spoil->length - 1))
		at--;
	say(spoil, FAULT_LOST, at, spoil->length);
	return 0;
}

static size_t repeat(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at, from = spoil->from;
	while (from > spoil->start && right(spoil, from - 1) == right(spoil, at - 1) &&
	       right(spoil, from + spoil->length - 1) == right(spoil, at - 1)) {
		from--;
		at--;
	}
	say(spoil, FAULT_REPEATED, from, spoil->length);
	return put(spoil, spoil->from, spoil->length, bytes);
}

static size_t swap(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at;
	bytes += put(spoil, at + spoil->length, spoil->takes - spoil->length, bytes);
	put(spoil, at, spoil->length, bytes);
	while (at > spoil->start && right(spoil, at - 1) == right(spoil, at + spoil->length - 1) &&
	       right(spoil, at - 1) == right(spoil, at + spoil->takes - 1))
		at--;
	say(spoil, FAULT_REORDERED, at, spoil->length);
	return spoil->takes;
}

// Says that other bytes came in the place of as many: from the first that differs to the last.
// Returns how many before it do not.
static size_t say_replaced(struct spoil *spoil, enum fault_kind kind, const uint8_t *bytes) {
	size_t first = 0, end = spoil->length;
	while (bytes[first] == right(spoil, spoil->at + first))
		first++;
	while (bytes[end - 1] == right(spoil, spoil->at + end - 1))
		end--;
	say(spoil, kind, spoil->at + first, end - first);
	return first;
}

static size_t flip(struct spoil *spoil, uint8_t *bytes) {
	uint8_t masks[FLIPPED] = {0}, all = 0;
	for (uint64_t bits = draw(spoil, 1, 8); bits > 0; bits--) {
		uint64_t bit = draw(spoil, 0, spoil->length * 8 - 1);
		masks[bit / 8] |= (uint8_t)(1U << bit % 8);
	}
	put(spoil, spoil->at, spoil->length, bytes);
	for (size_t i = 0; i < spoil->length; i++) {
		bytes[i] ^= masks[i];
		all |= masks[i];
	}
	say_replaced(spoil, FAULT_FLIPPED, bytes);
	spoil->fault.bits = all;
	return spoil->length;
}

static size_t cross(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at, offset = spoil->other_offset;
	payload_fill(spoil->payload, spoil->other, offset, bytes, spoil->length);
	if (spoil->kind == SPOIL_CROSS) {
		offset += say_replaced(spoil, FAULT_CROSSED, bytes);
	} else {
		for (; at > spoil->start && offset > 0; at--, offset--)
			if (right(spoil, at - 1) != byte_of(spoil, spoil->other, offset - 1) ||
			    right(spoil, at - 1) !=
				    byte_of(spoil, spoil->other, offset + spoil->length - 1))
				break;
		say(spoil, FAULT_CROSSED, at, spoil->length);
	}
	spoil->fault.other = spoil->other;
	spoil->fault.other_offset = offset;
	return spoil->length;
}

static size_t inject(struct spoil *spoil, uint8_t *bytes) {
	uint64_t at = spoil->at;
	// Those that are left of the random ones, as the bytes before them are also the right ones.
	size_t left = put_random(spoil, bytes);
	for (; at > spoil->start; at--, left -= left > 0)
		if ((left > 0 ? bytes[left - 1] : right(spoil, at + spoil->length - 1)) !=
		    right(spoil, at - 1))
			break;
	bool again =
		payload_match(spoil->payload, spoil->connection, spoil->at, bytes, left) == left;
	say(spoil, again ? FAULT_REPEATED : FAULT_FOREIGN, at, spoil->length);
	return spoil->length;
}

static size_t append(struct spoil *spoil, uint8_t *bytes) {
	size_t length = put_random(spoil, bytes);
	uint64_t last = spoil->at - length;
	if (payload_match(spoil->payload, spoil->connection, last, bytes, length) == length)
		say(spoil, FAULT_REPEATED, last, length);
	else
		say(spoil, FAULT_SURPLUS, spoil->at, length);
	return length;
}

size_t spoil_make(struct spoil *spoil, uint8_t *bytes) {
	switch (spoil->kind) {
	case SPOIL_FLIP:
		return flip(spoil, bytes);
	case SPOIL_DROP:
		return drop(spoil);
	case SPOIL_REPEAT:
	case SPOIL_REPEAT_EARLIER:
		return repeat(spoil, bytes);
	case SPOIL_SWAP:
		return swap(spoil, bytes);
	case SPOIL_CROSS:
	case SPOIL_CROSS_ADDED:
		return cross(spoil, bytes);
	case SPOIL_INJECT:
		return inject(spoil, bytes);
	case SPOIL_OVERWRITE:
		put_random(spoil, bytes);
		say_replaced(spoil, FAULT_FOREIGN, bytes);
		return spoil->length;
	case SPOIL_APPEND:
		return append(spoil, bytes);
	default:
		ensure(spoil->kind == SPOIL_TRUNCATE);
		say(spoil, FAULT_TRUNCATED, spoil->at, 0);
		return 0;
	}
}
