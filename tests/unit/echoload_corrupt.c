// A corrupted stream. Test's own thread.
#include "echoload_corrupt.h"

#include <stdlib.h>

#include "base/assert.h"

void corrupt_begin(struct corrupt *corrupt, const struct payload *payload, uint32_t connection,
		   uint64_t length, uint64_t seed) {
	*corrupt = (struct corrupt){.payload = payload,
				    .connection = connection,
				    .length = length,
				    .random = {seed},
				    .bytes = malloc(length + SPOIL_BYTES * CORRUPT_FAULTS)};
	ensure(corrupt->bytes);
}

void corrupt_free(struct corrupt *corrupt) {
	free(corrupt->bytes);
}

// The next bytes to come will be those from there on.
static void note(struct corrupt *corrupt, uint64_t from, uint64_t length) {
	ensure(corrupt->stretches < CORRUPT_STRETCHES);
	corrupt->stretch[corrupt->stretches++] =
		(struct corrupt_stretch){corrupt->count, from, length};
}

static void through(struct corrupt *corrupt, uint64_t end) {
	uint64_t length = end - corrupt->next;
	note(corrupt, corrupt->next, length);
	payload_fill(corrupt->payload, corrupt->connection, corrupt->next,
		     corrupt->bytes + corrupt->count, length);
	corrupt->count += length;
	corrupt->next = end;
}

void corrupt_finish(struct corrupt *corrupt) {
	through(corrupt, corrupt->length);
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

static void spoil(struct corrupt *corrupt, struct spoil *spoil) {
	through(corrupt, spoil->at);
	if (spoil->kind == SPOIL_FLIP)
		note(corrupt, spoil->at, spoil->length);
	if (spoil->kind == SPOIL_SWAP)
		note(corrupt, spoil->at + spoil->length, spoil->takes - spoil->length);
	corrupt->count += spoil_make(spoil, corrupt->bytes + corrupt->count);
	corrupt->next += spoil->takes;
	ensure(corrupt->faults < CORRUPT_FAULTS);
	corrupt->expected[corrupt->faults++] = spoil->fault;
}

static struct spoil spoil_of(struct corrupt *corrupt, enum spoil_kind kind, uint32_t other,
			     uint64_t other_offset) {
	return (struct spoil){.kind = kind,
			      .payload = corrupt->payload,
			      .connection = corrupt->connection,
			      .start = corrupt->next,
			      .random = {random_next(&corrupt->random)},
			      .other = other,
			      .other_offset = other_offset};
}

void corrupt_do(struct corrupt *corrupt, enum spoil_kind kind, uint64_t gap, uint64_t most,
		uint32_t other, uint64_t other_offset) {
	struct spoil one = spoil_of(corrupt, kind, other, other_offset);
	spoil_plan(&one, corrupt->next + gap, corrupt->length, most);
	if (kind == SPOIL_APPEND)
		one.at = corrupt->length;
	spoil(corrupt, &one);
	if (kind == SPOIL_TRUNCATE) {
		corrupt->expected[corrupt->faults - 1].length = corrupt->length - one.at;
		corrupt->next = corrupt->length;
	}
}

void corrupt_cross(struct corrupt *corrupt, uint64_t at, uint64_t length, uint32_t other,
		   uint64_t other_offset) {
	struct spoil one = spoil_of(corrupt, SPOIL_CROSS, other, other_offset);
	one.at = at;
	one.length = one.takes = length;
	spoil(corrupt, &one);
}
