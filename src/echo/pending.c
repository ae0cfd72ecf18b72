// Bytes received and not yet sent. Workers.
#include "echo/pending.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

bool pending_is_full(const struct pending *pending, size_t more)
{
	uint64_t bytes = atomic_load_explicit(&pending->bytes, memory_order_relaxed);
	return bytes + more > pending->limit;
}

bool pending_keep(struct pending *pending, struct conn *conn, const char *bytes, size_t length)
{
	ensure(!conn->tail && length > 0);
	conn->tail = malloc(length);
	if (!conn->tail)
		return false;
	memcpy(conn->tail, bytes, length);
	conn->tail_length = length;
	conn->tail_sent = 0;
	uint64_t sum =
		atomic_fetch_add_explicit(&pending->bytes, length, memory_order_relaxed) + length;
	uint64_t max = atomic_load_explicit(&pending->max, memory_order_relaxed);
	while (sum > max &&
	       !atomic_compare_exchange_weak_explicit(&pending->max, &max, sum,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return true;
}

void pending_drop(struct pending *pending, struct conn *conn)
{
	if (!conn->tail)
		return;
	atomic_fetch_sub_explicit(&pending->bytes, conn->tail_length, memory_order_relaxed);
	free(conn->tail);
	conn->tail = NULL;
	conn->tail_length = conn->tail_sent = 0;
}
