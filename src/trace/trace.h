// Traces: the life of a connection, event by event, while a client of the control socket asks for
// it. Only then has the pool a function that looks for traces (server/service.c). A traced
// connection is served as in a crowd: no worker waits for it, so its turns are short, and what came
// of each is recorded. Other connections are served as ever.
#ifndef ECHOD_TRACE_TRACE_H
#define ECHOD_TRACE_TRACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "echo/conn.h"
#include "pool/pool.h"

#define TRACES_MAX 4
#define TRACE_EVENTS 2048 // that are kept of each

enum trace_kind {
#define EVENT(name, from, to, text, unit) TRACE_##name,
#include "trace/events.def"
};

struct trace_event {
	enum trace_kind kind;
	uint64_t at;	// clock_now
	uint64_t value; // its number; of TRACE_closed enum close_reason
};

// A place for a trace. The lock guards what has no atomic type and is not the stats thread's.
struct trace {
	_Atomic uint64_t id; // of the connection; 0: the place is free. The stats thread sets it.
	_Atomic uint64_t total; // events so far
	_Atomic bool is_over;	// there will be no more
	pthread_mutex_t lock;
	struct trace_event *events; // a ring
	struct conn_origin origin;
	uint64_t received, sent; // bytes that have been recorded

	// The stats thread's.
	uint64_t told, told_at; // events that the client has been told, and when the last was
	uint64_t asked_at;	// when it last asked; clock_now
	size_t slot;		// of a connection that was open already; else SIZE_MAX
	bool recalls;		// its worker is kept from waiting for it
};

// Begins to trace a connection that is open, or, if `info` is NULL, the next one that `conns` gets
// and no other trace expects. Returns NULL if all places are taken, or memory is short. The stats
// thread; so are the next three.
struct trace *trace_begin(struct trace *traces, const struct conn_info *info,
			  struct conn_table *conns);
void trace_end(struct trace *trace);

// Records that the connection has gone, if nothing else tells so.
void trace_miss(struct trace *trace);

// Reads event `*next` and moves on. If it is not kept any more, reads TRACE_lost, and moves on to
// the oldest that is. Returns false if there are no more.
bool trace_read(struct trace *trace, uint64_t *next, struct trace_event *event);

// The trace of the connection with this id, NULL: there is none. Any thread.
struct trace *trace_find(struct trace *traces, uint64_t id);

// Before and after a turn of the connection; `reason` is that of TURN_CLOSE. The worker.
void trace_turn_begins(struct trace *trace, const struct conn *conn, const struct worker *worker);
void trace_turn_ends(struct trace *trace, const struct conn *conn, enum turn_end end,
		     enum close_reason reason);

#endif
