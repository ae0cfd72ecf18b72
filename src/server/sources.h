// How many connections each source has open, for --max-per-source. A source is an IPv4 address, an
// IPv6 network (--source-prefix6), or for Unix-domain sockets a user. The acceptor adds
// connections, workers remove them.
#ifndef ECHOD_SERVER_SOURCES_H
#define ECHOD_SERVER_SOURCES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echo/conn.h"

#define SOURCES_WORDS 6

// The family; the address or the user; and of a link-local address the interface.
struct source_key {
	uint32_t word[SOURCES_WORDS];
};

struct source {
	struct source *next; // in its bucket, or in the free list
	struct source_key key;
	uint64_t connections;
};

// `entries`, `free` and `buckets` are guarded by `lock`; the rest does not change.
struct sources {
	pthread_mutex_t lock;
	uint64_t limit; // 0: no source is counted
	unsigned prefix6;
	uint64_t secret[1 + SOURCES_WORDS]; // the hash's, so that no client can choose its
					    // bucket
	struct source *entries; // as many as there can be connections
	struct source *free;
	struct source **buckets;
	size_t bucket_count; // a power of two
};

// Allows `limit` connections from one source, of `capacity` in all. A limit of 0 takes no memory.
// IPv6 addresses with the same first `prefix6` bits, 1 to 128, are one source. Link-local addresses
// share their prefix, so each is a source of its own.
int sources_open(struct sources *sources, uint64_t limit, unsigned prefix6, size_t capacity,
		 struct echod_error *error);
void sources_close(struct sources *sources);

// Counts a connection. Returns false, and does not count it, when its source is at the limit.
bool sources_enter(struct sources *sources, const struct conn_origin *origin);

// Call it when a counted connection has been closed.
void sources_leave(struct sources *sources, const struct conn_origin *origin);

#endif
