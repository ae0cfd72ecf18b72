// How many connections each source has open, for --max-per-source. A source is an IP address, or
// for Unix-domain sockets a user. The acceptor enters, workers leave.
#ifndef ECHOD_SERVER_SOURCES_H
#define ECHOD_SERVER_SOURCES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echo/conn.h"

struct source {
	struct source *next;   // in its bucket, or in the free list
	unsigned char key[17]; // the family and the address
	uint64_t connections;
};

// All but `limit` and `bucket_count` is guarded by `lock`.
struct sources {
	pthread_mutex_t lock;
	uint64_t limit;		// 0: nobody is counted
	struct source *entries; // as many as there can be connections
	struct source *free;
	struct source **buckets;
	size_t bucket_count; // a power of two
};

// `limit` connections from one source, of `capacity` in all. A limit of 0 takes no memory.
int sources_open(struct sources *sources, uint64_t limit, size_t capacity, struct error *error);
void sources_close(struct sources *sources);

// Counts a connection; false when its source has as many as it may, and then it is not counted.
bool sources_enter(struct sources *sources, const struct conn_origin *origin);

// A connection that was counted has been closed.
void sources_leave(struct sources *sources, const struct conn_origin *origin);

#endif
