#include "stats/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"

const struct metric counter_metrics[COUNTER_COUNT] = {
#define COUNTER(name, unit, help) {#name, UNIT_##unit, help},
#include "stats/counters.def"
};

const struct metric gauge_metrics[GAUGE_COUNT] = {
#define GAUGE(name, unit, help) {#name, UNIT_##unit, help},
#include "stats/counters.def"
};

const struct metric histogram_metrics[HISTOGRAM_COUNT] = {
#define HISTOGRAM(name, help) {#name, UNIT_SECONDS, help},
#include "stats/counters.def"
};

const struct metric listener_metrics[LISTENER_COUNT] = {
#define LISTENER(name, unit, help) {#name, UNIT_##unit, help},
#include "stats/counters.def"
};

static const enum counter reason_counters[CLOSE_REASON_COUNT] = {
#define CLOSE_REASON(name, help) COUNTER_connections_closed_##name,
#include "stats/counters.def"
};

static const char *const reason_names[CLOSE_REASON_COUNT] = {
#define CLOSE_REASON(name, help) #name,
#include "stats/counters.def"
};

enum counter close_reason_counter(enum close_reason reason)
{
	ensure((int)reason >= 0 && reason < CLOSE_REASON_COUNT);
	return reason_counters[reason];
}

const char *close_reason_name(enum close_reason reason)
{
	ensure((int)reason >= 0 && reason < CLOSE_REASON_COUNT);
	return reason_names[reason];
}

int stats_open(struct stats *stats, size_t thread_count, struct echod_error *error)
{
	size_t size = thread_count * sizeof(struct thread_stats);
	stats->threads = aligned_alloc(alignof(struct thread_stats), size);
	if (!stats->threads)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "no memory for the counters of %zu threads", thread_count);
	memset(stats->threads, 0, size);
	stats->thread_count = thread_count;
	return 0;
}

void stats_close(struct stats *stats)
{
	free(stats->threads);
	*stats = (struct stats){0};
}

// The number of closed connections according to the counters.
static uint64_t closed_connections(const struct snapshot *snapshot)
{
	uint64_t closed = 0;
	for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
		closed += snapshot->counter[reason_counters[reason]];
	return closed;
}

// `came` less `went`, limited to 0 to `most`, because both were read while connections moved.
static uint64_t difference(uint64_t came, uint64_t went, uint64_t most)
{
	uint64_t there = came > went ? came - went : 0;
	return there < most ? there : most;
}

// For any values, accepted - closed = (taken - left) + (parks - unparks) + (the rest, queued).
// So the law open = queued + serving + parked holds in each snapshot. A connection that moved
// meanwhile may count in the wrong place.
static void derive_gauges(struct snapshot *snapshot, uint64_t workers)
{
	uint64_t accepted = snapshot->counter[COUNTER_connections_accepted];
	uint64_t closed = closed_connections(snapshot);
	ensure(closed <= accepted);
	uint64_t open = accepted - closed;
	uint64_t parks =
		snapshot->counter[COUNTER_parks_reading] + snapshot->counter[COUNTER_parks_writing];
	uint64_t left = closed + parks + snapshot->counter[COUNTER_quantum_expiries];
	ensure(left <= snapshot->counter[COUNTER_connections_taken]);
	uint64_t serving = difference(snapshot->counter[COUNTER_connections_taken], left,
				      workers < open ? workers : open);
	uint64_t parked = difference(parks, snapshot->counter[COUNTER_unparks], open - serving);
	snapshot->gauge[GAUGE_connections_open] = open;
	snapshot->gauge[GAUGE_connections_serving] = serving;
	snapshot->gauge[GAUGE_connections_parked] = parked;
	snapshot->gauge[GAUGE_connections_queued] = open - serving - parked;
}

void stats_sum(const struct stats *stats, uint64_t workers, struct snapshot *snapshot)
{
	memset(snapshot, 0, sizeof(*snapshot));
	for (size_t i = 0; i < stats->thread_count; i++) {
		for (size_t h = 0; h < HISTOGRAM_COUNT; h++)
			histogram_add(&snapshot->histogram[h], &stats->threads[i].histogram[h]);
	}
	for (size_t c = COUNTER_COUNT; c-- > 0;) {
		for (size_t i = 0; i < stats->thread_count; i++)
			snapshot->counter[c] += atomic_load_explicit(&stats->threads[i].counter[c],
								     memory_order_acquire);
	}
	snapshot->taken = clock_now();
	derive_gauges(snapshot, workers);
}
