// All open connections. The acceptor adds, workers remove, the stats thread looks.
#include "echo/conn_table.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"

#define SHUT_CHUNK 256 // connections shut down while the lock is held once

int conn_table_open(struct conn_table *table, size_t capacity, struct echod_error *error)
{
	*table = (struct conn_table){.capacity = capacity};
	// Zeroed by the system: pages are not touched before their first use.
	table->slots = calloc(capacity, sizeof(struct conn_slot));
	if (!table->slots)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "no memory for %zu connections; try fewer --max-connections",
				 capacity);
	pthread_mutex_init(&table->lock, NULL);
	return 0;
}

void conn_table_close(struct conn_table *table)
{
	for (size_t i = 0; i < table->used; i++)
		ensure(!table->slots[i].open);
	free(table->slots);
	pthread_mutex_destroy(&table->lock);
}

// The leader of the pool may still hold an event of the connection that was here before, and look
// at the state: that is stored as the atomic it is, and says that there is nothing to do. All else
// nobody else looks at.
static void conn_init(struct conn *conn, uint64_t id, const struct conn_origin *origin)
{
	struct work *work = &conn->work;
	atomic_store(&work->state, WORK_QUEUED);
	atomic_store_explicit(&work->hung_up, false, memory_order_relaxed);
	work->fd = origin->fd;
	work->registered = work->wants_room = work->expired = false;
	work->watched = WATCH_NONE;
	conn->id = id;
	conn->origin = *origin;
	conn->stuck = false;
	conn->heat = 0;
	atomic_store_explicit(&conn->bytes_received, 0, memory_order_relaxed);
	atomic_store_explicit(&conn->bytes_sent, 0, memory_order_relaxed);
	atomic_store_explicit(&conn->active_at, origin->accepted_at, memory_order_relaxed);
	atomic_store_explicit(&conn->worker, 0, memory_order_relaxed);
}

static struct conn_slot *find_slot_locked(struct conn_table *table)
{
	struct conn_slot *slot = table->free;
	if (slot) {
		table->free = slot->next_free;
		return slot;
	}
	ensure(table->used < table->capacity);
	return &table->slots[table->used++];
}

struct conn *conn_table_add(struct conn_table *table, const struct conn_origin *origin)
{
	pthread_mutex_lock(&table->lock);
	struct conn_slot *slot = find_slot_locked(table);
	slot->open = true;
	conn_init(&slot->conn, ++table->last_id, origin);
	pthread_mutex_unlock(&table->lock);
	return &slot->conn;
}

void conn_table_remove(struct conn_table *table, struct conn *conn)
{
	struct conn_slot *slot =
		(struct conn_slot *)((uintptr_t)conn - offsetof(struct conn_slot, conn));
	pthread_mutex_lock(&table->lock);
	ensure(slot->open);
	slot->open = false;
	slot->next_free = table->free;
	table->free = slot;
	pthread_mutex_unlock(&table->lock);
}

static void copy_conn(const struct conn *conn, struct conn_info *info)
{
	*info = (struct conn_info){
		.id = conn->id,
		.origin = conn->origin,
		.state = (enum work_state)atomic_load_explicit(&conn->work.state,
							       memory_order_relaxed),
		.worker = atomic_load_explicit(&conn->worker, memory_order_relaxed),
		.active_at = atomic_load_explicit(&conn->active_at, memory_order_relaxed),
		.bytes_sent = atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed),
		.bytes_received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed),
	};
}

size_t conn_table_copy(struct conn_table *table, size_t *slot, struct conn_info *infos,
		       size_t capacity)
{
	size_t copied = 0;
	pthread_mutex_lock(&table->lock);
	size_t end = *slot + capacity;
	for (; *slot < end && *slot < table->used; (*slot)++) {
		if (table->slots[*slot].open)
			copy_conn(&table->slots[*slot].conn, &infos[copied++]);
	}
	pthread_mutex_unlock(&table->lock);
	return copied;
}

void conn_table_shut_reading(struct conn_table *table)
{
	size_t slot = 0;
	bool more = true;
	while (more) {
		pthread_mutex_lock(&table->lock);
		size_t end = slot + SHUT_CHUNK;
		for (; slot < end && slot < table->used; slot++) {
			if (table->slots[slot].open)
				shutdown(table->slots[slot].conn.origin.fd, SHUT_RD);
		}
		more = slot < table->used;
		pthread_mutex_unlock(&table->lock);
	}
}
