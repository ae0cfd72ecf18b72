// The counters: each thread has a set that only it writes, and a snapshot adds the sets up.
//
// A counter is stored with release order and read with acquire order. A snapshot reads the list of
// counters.def from its end to its start. If it sees a worker's count of closed connections, it
// also sees all earlier counts of that worker. Through the queue's lock it sees all earlier counts
// of the acceptor, too. So in every snapshot closed <= taken <= accepted, and the gauges that are
// differences of these are never negative. On x86 release and acquire cost no more than relaxed.
// The path of a message has three stores.
#ifndef ECHOD_STATS_STATS_H
#define ECHOD_STATS_STATS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "stats/histogram.h"

enum counter {
#define COUNTER(name, unit, help) COUNTER_##name,
#include "stats/counters.def"
	COUNTER_COUNT,
};

enum gauge {
#define GAUGE(name, unit, help) GAUGE_##name,
#include "stats/counters.def"
	GAUGE_COUNT,
};

enum histogram_id {
#define HISTOGRAM(name, help) HISTOGRAM_##name,
#include "stats/counters.def"
	HISTOGRAM_COUNT,
};

enum listener_metric {
#define LISTENER(name, unit, help) LISTENER_##name,
#include "stats/counters.def"
	LISTENER_COUNT,
};

// Why a connection was closed; each has its counter.
enum close_reason {
#define CLOSE_REASON(name, help) CLOSE_##name,
#include "stats/counters.def"
	CLOSE_REASON_COUNT,
};

enum metric_unit { UNIT_COUNT, UNIT_BYTES, UNIT_SECONDS };

struct metric {
	const char *name;
	enum metric_unit unit;
	const char *help;
};

extern const struct metric counter_metrics[COUNTER_COUNT];
extern const struct metric gauge_metrics[GAUGE_COUNT];
extern const struct metric histogram_metrics[HISTOGRAM_COUNT];
extern const struct metric listener_metrics[LISTENER_COUNT];

// The counters of one thread, on cache lines of their own.
struct thread_stats {
	alignas(64) _Atomic uint64_t counter[COUNTER_COUNT];
	struct histogram histogram[HISTOGRAM_COUNT];
};

struct stats {
	struct thread_stats *threads;
	size_t thread_count;
};

// The value of a gauge that is unknown, which is not 0.
#define STATS_UNKNOWN UINT64_MAX

#define STATS_MAX_LISTENERS 128

struct listener_sum {
	const char *label; // printable ASCII; lives as long as the server
	uint64_t value[LISTENER_COUNT];
};

struct snapshot {
	uint64_t taken; // clock_now
	uint64_t counter[COUNTER_COUNT];
	uint64_t gauge[GAUGE_COUNT];
	struct histogram_sum histogram[HISTOGRAM_COUNT];
	struct listener_sum listener[STATS_MAX_LISTENERS];
	size_t listener_count;
};

int stats_open(struct stats *stats, size_t thread_count, struct echod_error *error);
void stats_close(struct stats *stats);

// Adds up all threads' counters into `snapshot`, and derives the gauges that follow from them:
// connections open, queued and serving. Each of the `workers` serves at most one. A worker may take
// a connection while the counters are being read. If the end of its predecessor was not seen, the
// new one counts as queued. All other gauges are 0, for the caller to fill. Any thread.
void stats_sum(const struct stats *stats, uint64_t workers, struct snapshot *snapshot);

// The owner thread only.
static inline void counter_add(struct thread_stats *own, enum counter counter, uint64_t amount)
{
	_Atomic uint64_t *value = &own->counter[counter];
	uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, old + amount, memory_order_release);
}

enum counter close_reason_counter(enum close_reason reason);
const char *close_reason_name(enum close_reason reason);

#endif
