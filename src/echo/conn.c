#include "echo/conn.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/assert.h"

#define SHUT_CHUNK 256 // connections shut down while the lock is held once

int conn_table_open(struct conn_table *table, size_t capacity, struct echod_error *error)
{
	*table = (struct conn_table){.capacity = capacity};
	// Zeroed by the system: pages are not touched before their first use.
	table->slots = calloc(capacity, sizeof(struct conn));
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
		ensure(!table->slots[i].work.id);
	free(table->slots);
	pthread_mutex_destroy(&table->lock);
}

// The leader may still hold an event of the connection that was in this slot. So the state is
// stored atomically, and says that there is nothing to do. No other thread reads the rest yet.
static void conn_init(struct conn *conn, uint64_t id, const struct conn_origin *origin)
{
	struct work *work = &conn->work;
	atomic_store(&work->state, WORK_QUEUED);
	atomic_store_explicit(&work->hung_up, false, memory_order_relaxed);
	atomic_store_explicit(&work->worker, 0, memory_order_relaxed);
	atomic_store_explicit(&work->active_at, origin->accepted_at, memory_order_relaxed);
	work->id = id;
	work->fd = origin->fd;
	work->events = 0;
	work->expired = false;
	work->timeout = TIMEOUT_NONE;
	conn->origin = *origin;
	conn->stuck = false;
	conn->spin_credit = 0;
	atomic_store_explicit(&conn->bytes_received, 0, memory_order_relaxed);
	atomic_store_explicit(&conn->bytes_sent, 0, memory_order_relaxed);
	atomic_store_explicit(&conn->first_at, 0, memory_order_relaxed);
	atomic_store_explicit(&conn->first, 0, memory_order_relaxed);
}

struct conn *conn_table_add(struct conn_table *table, const struct conn_origin *origin)
{
	pthread_mutex_lock(&table->lock);
	struct conn *conn = table->free ? conn_of(table->free) : &table->slots[table->used++];
	ensure(table->used <= table->capacity);
	if (table->free)
		table->free = table->free->next;
	conn_init(conn, ++table->last_id, origin);
	pthread_mutex_unlock(&table->lock);
	return conn;
}

void conn_table_remove(struct conn_table *table, struct conn *conn)
{
	pthread_mutex_lock(&table->lock);
	ensure(conn->work.id);
	conn->work.id = 0;
	conn->work.next = table->free;
	table->free = &conn->work;
	pthread_mutex_unlock(&table->lock);
}

void conn_show(const struct conn *conn, struct conn_info *info)
{
	const struct work *work = &conn->work;
	*info = (struct conn_info){
		.id = work->id,
		.origin = conn->origin,
		.state = (enum work_state)atomic_load_explicit(&work->state, memory_order_relaxed),
		.worker = atomic_load_explicit(&work->worker, memory_order_relaxed),
		.active_at = atomic_load_explicit(&work->active_at, memory_order_relaxed),
		.bytes_sent = atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed),
		.bytes_received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed),
		.first_at = atomic_load_explicit(&conn->first_at, memory_order_relaxed),
		.first = atomic_load_explicit(&conn->first, memory_order_relaxed),
	};
}

size_t conn_table_copy(struct conn_table *table, size_t *slot, struct conn_info *infos,
		       size_t capacity)
{
	size_t copied = 0;
	pthread_mutex_lock(&table->lock);
	size_t end = *slot + capacity;
	for (; *slot < end && *slot < table->used; (*slot)++) {
		if (table->slots[*slot].work.id)
			conn_show(&table->slots[*slot], &infos[copied++]);
	}
	pthread_mutex_unlock(&table->lock);
	return copied;
}

void conn_table_shut_reading(struct conn_table *table)
{
	size_t slot = 0;
	bool more;
	do {
		pthread_mutex_lock(&table->lock);
		size_t end = slot + SHUT_CHUNK;
		for (; slot < end && slot < table->used; slot++) {
			if (table->slots[slot].work.id)
				shutdown(table->slots[slot].work.fd, SHUT_RD);
		}
		more = slot < table->used;
		pthread_mutex_unlock(&table->lock);
	} while (more);
}
