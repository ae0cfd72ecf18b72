// All open connections: memory for as many as may be open, reserved at the start and touched on
// first use, so that accepting allocates nothing. The acceptor adds, workers remove, the stats
// thread looks.
#ifndef ECHOD_ECHO_CONN_TABLE_H
#define ECHOD_ECHO_CONN_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echo/conn.h"

struct conn_slot {
	struct conn conn;
	bool open;
	struct conn_slot *next_free;
};

// All but `capacity` is guarded by `lock`, and so is membership: while a connection is in the table
// its descriptor is open. The atomics of a connection are its owner's.
struct conn_table {
	pthread_mutex_t lock;
	struct conn_slot *slots;
	size_t capacity;
	size_t used;		// slots ever used; the rest has never been touched
	struct conn_slot *free; // of the used ones, the one freed last first
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
};

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

// shutdown(2) for reading on all connections, which wakes who waits for them; bytes that have
// arrived stay readable.
void conn_table_shut_reading(struct conn_table *table);

#endif
