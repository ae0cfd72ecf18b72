// What the first bytes of a stream are told by: their number and a hash. A server and a client find
// by it that they speak of the same connection, whatever lies between them. Any thread.
#ifndef ECHOD_BASE_FIRST_BYTES_H
#define ECHOD_BASE_FIRST_BYTES_H

#include <stddef.h>
#include <stdint.h>

#define FIRST_BYTES 64 // so many count

// FNV-1a of the first min(length, FIRST_BYTES) bytes without its upper 8 bits, and below it that
// number in 8 bits. 0: no bytes.
static inline uint64_t first_bytes_of(const void *bytes, uint64_t length)
{
	const unsigned char *byte = bytes;
	uint64_t count = length < FIRST_BYTES ? length : FIRST_BYTES;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (uint64_t i = 0; i < count; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return count ? hash << 8 | count : 0;
}

static inline unsigned first_bytes_count(uint64_t first)
{
	return first & 0xff;
}

static inline uint64_t first_bytes_hash(uint64_t first)
{
	return first >> 8;
}

#endif
