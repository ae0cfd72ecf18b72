// What is sent. One thread.
#include "payload.h"

static char block[PAYLOAD_PERIOD + PAYLOAD_CHUNK];

void payload_fill(void)
{
	uint64_t state = 88172645463325252;
	for (unsigned i = 0; i < PAYLOAD_PERIOD; i++) {
		state ^= state << 13; // xorshift64
		state ^= state >> 7;
		state ^= state << 17;
		block[i] = (char)(state >> 56);
	}
	for (unsigned i = 0; i < PAYLOAD_CHUNK; i++)
		block[PAYLOAD_PERIOD + i] = block[i % PAYLOAD_PERIOD];
}

const char *payload_at(unsigned stream, uint64_t position)
{
	return block + (stream * UINT64_C(7919) + position) % PAYLOAD_PERIOD;
}
