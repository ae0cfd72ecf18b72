// Comparing noise with the bytes of the own stream that may have been there. One thread for each
// struct verify.
#include "damage.h"

#include "base/assert.h"

#define NEAR 256       // bytes of noise searched for runs of right ones, at either end
#define FLIPPED_BITS 8 // so many may differ in however short a range

struct damage damage_of(const struct verify *verify, uint64_t offset, const uint8_t *bytes,
			size_t length)
{
	struct damage damage = {0};
	uint8_t right[NEAR];
	for (size_t i = 0; i < length; i++) {
		if (i % NEAR == 0)
			payload_fill(verify->scope->payload, verify->connection, offset + i, right,
				     length - i < NEAR ? length - i : NEAR);
		uint8_t differ = bytes[i] ^ right[i % NEAR];
		if (!differ)
			continue;
		if (damage.end == 0)
			damage.first = i;
		damage.end = i + 1;
		damage.count += (unsigned)__builtin_popcount(differ);
		damage.bits |= differ;
	}
	return damage;
}

bool damage_is_flipped(const struct damage *damage)
{
	return damage->count <= FLIPPED_BITS || damage->count < 2 * (damage->end - damage->first);
}

struct runs {
	size_t first; // where the first begins; all that was searched if there is none
	size_t end;   // behind the last; 0 if there is none
};

static struct runs find_runs(const struct verify *verify, uint64_t position, const uint8_t *bytes,
			     size_t length)
{
	struct runs runs = {.first = length};
	uint8_t right[NEAR];
	ensure(length <= sizeof(right));
	payload_fill(verify->scope->payload, verify->connection, position, right, length);
	size_t run = 0;
	for (size_t i = 0; i < length; i++) {
		run = bytes[i] == right[i] ? run + 1 : 0;
		if (run == DAMAGE_RUN && runs.end == 0)
			runs.first = i + 1 - DAMAGE_RUN;
		if (run >= DAMAGE_RUN)
			runs.end = i + 1;
	}
	return runs;
}

size_t damage_before(const struct verify *verify, uint64_t position, const uint8_t *noise,
		     size_t length)
{
	size_t near = length < NEAR ? length : NEAR;
	return find_runs(verify, position, noise, near).end;
}

size_t damage_after(const struct verify *verify, uint64_t position, const uint8_t *noise,
		    size_t length)
{
	size_t near = length < NEAR ? length : NEAR;
	if (near > position)
		near = (size_t)position;
	return near - find_runs(verify, position - near, noise + length - near, near).first;
}
