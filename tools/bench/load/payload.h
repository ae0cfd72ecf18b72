// What is sent: every connection's stream is a window, at an offset of its own, into one block of
// random bytes that repeats with a prime period. So nothing is copied or made up while measuring,
// and bytes that are lost, doubled or another connection's do not match. One thread.
#ifndef BENCH_LOAD_PAYLOAD_H
#define BENCH_LOAD_PAYLOAD_H

#include <stdint.h>

#define PAYLOAD_PERIOD 65521
#define PAYLOAD_CHUNK 65536 // so many bytes can be read at any position

void payload_fill(void);

// The stream of connection number `stream` from byte `position` on.
const char *payload_at(unsigned stream, uint64_t position);

#endif
