#include "trace/trace.h"

#include <stdlib.h>

#include "base/clock.h"

static void note_locked(struct trace *trace, enum trace_kind kind, uint64_t at, uint64_t value)
{
	trace->events[trace->total++ % TRACE_EVENTS] = (struct trace_event){kind, at, value};
	atomic_store(&trace->is_over, kind == TRACE_closed || kind == TRACE_missed);
}

struct trace *trace_begin(struct trace *traces, const struct conn_info *info,
			  struct conn_table *conns)
{
	struct trace *trace = trace_find(traces, 0);
	struct trace_event *events = trace ? calloc(TRACE_EVENTS, sizeof(*events)) : NULL;
	if (!events)
		return NULL;
	// No worker reads or writes any of this before it finds the id.
	trace->events = events;
	trace->received = trace->told = trace->told_at = 0;
	trace->recalls = false;
	atomic_store(&trace->total, 0);
	atomic_store(&trace->is_over, false);
	if (info) {
		trace->origin = info->origin;
		trace->received = info->bytes_received;
		note_locked(trace, TRACE_accepted, info->origin.accepted_at, 0);
		note_locked(trace, TRACE_joined, clock_now(), info->bytes_received);
	}
	pthread_mutex_lock(&conns->lock); // the next one is not served before
	uint64_t id = info ? info->id : conns->last_id + 1;
	while (!info && trace_find(traces, id))
		id++;
	atomic_store(&trace->id, id);
	pthread_mutex_unlock(&conns->lock);
	return trace;
}

void trace_end(struct trace *trace)
{
	pthread_mutex_lock(&trace->lock);
	atomic_store(&trace->id, 0);
	free(trace->events);
	pthread_mutex_unlock(&trace->lock);
}

void trace_miss(struct trace *trace)
{
	pthread_mutex_lock(&trace->lock);
	if (!atomic_load(&trace->is_over))
		note_locked(trace, TRACE_missed, clock_now(), 0);
	pthread_mutex_unlock(&trace->lock);
}

bool trace_read(struct trace *trace, uint64_t *next, struct trace_event *event)
{
	pthread_mutex_lock(&trace->lock);
	uint64_t total = trace->total;
	bool has_more = *next < total;
	if (has_more && *next + TRACE_EVENTS < total) {
		uint64_t oldest = total - TRACE_EVENTS;
		uint64_t at = trace->events[oldest % TRACE_EVENTS].at;
		*event = (struct trace_event){TRACE_lost, at, oldest - *next};
		*next = oldest;
	} else if (has_more) {
		*event = trace->events[(*next)++ % TRACE_EVENTS];
	}
	pthread_mutex_unlock(&trace->lock);
	return has_more;
}

struct trace *trace_find(struct trace *traces, uint64_t id)
{
	for (size_t i = 0; i < TRACES_MAX; i++) {
		if (atomic_load(&traces[i].id) == id)
			return &traces[i];
	}
	return NULL;
}

// Locks the trace, unless its place has been given to another since it was found.
static bool lock_trace(struct trace *trace, const struct conn *conn)
{
	pthread_mutex_lock(&trace->lock);
	if (atomic_load(&trace->id) == conn->work.id)
		return true;
	pthread_mutex_unlock(&trace->lock);
	return false;
}

void trace_turn_begins(struct trace *trace, const struct conn *conn, const struct worker *worker)
{
	uint64_t received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed);
	uint64_t queued_at = conn->work.queued_at;
	if (!lock_trace(trace, conn))
		return;
	if (trace->total == 0) {
		trace->origin = conn->origin;
		note_locked(trace, TRACE_accepted, conn->origin.accepted_at, 0);
	}
	struct trace_event last = trace->events[(trace->total - 1) % TRACE_EVENTS];
	bool was_queued = queued_at >= last.at;
	if (last.kind == TRACE_accepted)
		note_locked(trace, TRACE_queued, queued_at, 0);
	else if (last.kind != TRACE_yielded && was_queued)
		note_locked(trace, TRACE_unparked, queued_at, 0);
	if (!was_queued && last.kind >= TRACE_parked && last.kind <= TRACE_delayed)
		note_locked(trace, TRACE_again, clock_now(), 0);
	else
		note_locked(trace, TRACE_taken, clock_now(), worker->id);
	if (received != trace->received) // it went on until a worker looked for a trace
		note_locked(trace, TRACE_joined, clock_now(), received);
	trace->received = received;
	trace->sent = atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed);
	pthread_mutex_unlock(&trace->lock);
}

void trace_turn_ends(struct trace *trace, const struct conn *conn, enum turn_end end,
		     enum close_reason reason)
{
	const enum trace_kind ends[] = {[TURN_QUIET] = TRACE_parked,
					[TURN_STUCK] = conn->stuck ? TRACE_stuck : TRACE_delayed,
					[TURN_QUANTUM] = TRACE_yielded,
					[TURN_CLOSE] = TRACE_closed};
	uint64_t received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed);
	uint64_t sent = atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed);
	uint64_t now = clock_now();
	if (!lock_trace(trace, conn))
		return;
	if (received > trace->received)
		note_locked(trace, TRACE_received, now, received - trace->received);
	if (sent > trace->sent)
		note_locked(trace, TRACE_sent, now, sent - trace->sent);
	trace->received = received;
	note_locked(trace, ends[end], now, reason);
	pthread_mutex_unlock(&trace->lock);
}
