// Comparing noise with the bytes of the own stream that may have been there. One thread for each
// struct verify.
#include "suspicion.h"

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

size_t damage_near(const struct verify *verify, uint64_t position, const uint8_t *noise,
		   size_t length, bool before)
{
	uint8_t right[NEAR];
	size_t near = length < NEAR ? length : NEAR;
	if (before && near > position)
		near = (size_t)position;
	const uint8_t *bytes = before ? noise + length - near : noise;
	payload_fill(verify->scope->payload, verify->connection,
		     before ? position - near : position, right, near);
	size_t first = near, end = 0, run = 0; // of the runs of right bytes
	for (size_t i = 0; i < near; i++) {
		run = bytes[i] == right[i] ? run + 1 : 0;
		if (run == DAMAGE_RUN && end == 0)
			first = i + 1 - DAMAGE_RUN;
		if (run >= DAMAGE_RUN)
			end = i + 1;
	}
	return before ? near - first : end;
}
