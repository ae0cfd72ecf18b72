// A connection, and the table of all that are open. A connection always has one owner: the acceptor
// until it submits it, then the work queue, then the worker that serves and closes it. The table's
// memory is reserved at the start and touched on first use. The acceptor adds, workers remove.
#ifndef ECHOD_ECHO_CONN_H
#define ECHOD_ECHO_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/origin.h"
#include "pool/work.h"

// Bytes that are to be sent.
struct piece {
	char *bytes;
	size_t length;
	size_t sent;
};

struct conn {
	struct work work; // in the queue; its id is from 1, never used again, 0 while not open
	struct conn_origin origin;

	// The owner's.
	struct piece unsent; // what its peer is still to get, malloc'd; or NULL; or any
			     // pointer with length 0, and the first bytes are to be noted
	bool stuck;	     // its peer does not read,
	int unacknowledged;  // and has left so many bytes unacknowledged, the least that was seen
	int spin_credit;     // whether polling for it has recently helped

	// Written by the owner, read by the stats thread to be shown. Relaxed order, as nothing
	// depends on them.
	_Atomic uint64_t bytes_received;
	_Atomic uint64_t bytes_sent;
	_Atomic uint64_t first_at; // when its first bytes came; 0: they have not, or nobody asked
	_Atomic uint64_t first;	   // what they were: base/first_bytes.h
};

static inline struct conn *conn_of(const struct work *work)
{
	return (struct conn *)((uintptr_t)work - offsetof(struct conn, work));
}

// Only the owner adds.
static inline void conn_count(_Atomic uint64_t *value, uint64_t amount)
{
	uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, old + amount, memory_order_relaxed);
}

// Whether all that came in has gone out.
static inline bool conn_all_echoed(const struct conn *conn)
{
	return atomic_load_explicit(&conn->bytes_received, memory_order_relaxed) ==
	       atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed);
}

// All but `capacity` is guarded by `lock`, and so is membership: while a connection is in the table
// its descriptor is open. The atomics of a connection are its owner's.
struct conn_table {
	pthread_mutex_t lock;
	struct conn *slots;
	size_t capacity;
	size_t used;	   // slots ever used; the rest has never been touched
	struct work *free; // of the used ones, the one freed last first
	uint64_t last_id;
};

// A copy of what there is to show of a connection.
struct conn_info {
	uint64_t id;
	struct conn_origin origin;
	enum work_state state;
	unsigned worker; // 0: none
	uint64_t active_at;
	uint64_t bytes_received;
	uint64_t bytes_sent;
	uint64_t first_at;
	uint64_t first;
};

void conn_show(const struct conn *conn, struct conn_info *info); // the owner, or under the lock
int conn_table_open(struct conn_table *table, size_t capacity, struct echod_error *error);

// It must be empty.
void conn_table_close(struct conn_table *table);

// A new connection with the next id; it belongs to the caller. The table must not be full.
struct conn *conn_table_add(struct conn_table *table, const struct conn_origin *origin);

// Takes `conn` out and frees it. The caller, its owner, has copied what it still needs, such as the
// descriptor, which it closes after this and not before.
void conn_table_remove(struct conn_table *table, struct conn *conn);

// Copies the connections in at most `capacity` slots from `*slot` on and moves `*slot` on; returns
// how many it copied. The lock is held for one call, so a long list is taken in pieces.
size_t conn_table_copy(struct conn_table *table, size_t *slot, struct conn_info *infos,
		       size_t capacity);

// shutdown(2) for reading on all connections, which wakes the workers that wait for them; bytes
// that have arrived stay readable.
void conn_table_shut_reading(struct conn_table *table);

#endif
