// The counters and their laws: stats/stats.
#include "expect.h"

#include "base/clock.h"
#include "stats/stats.h"

#define WORKERS 4
#define SNAPSHOTS 10000

static struct stats stats;
static struct snapshot snapshot;

BEFORE_EACH { assert_int_equal(stats_open(&stats, 1 + WORKERS, NULL), 0); }

AFTER_EACH {
	stats_close(&stats);
	assert_true(stats.threads == NULL && stats.thread_count == 0);
}

static void check_metrics(const struct metric *metric, size_t count) {
	static const char *names[(size_t)COUNTER_COUNT + GAUGE_COUNT + HISTOGRAM_COUNT];
	static size_t taken = 0;
	for (; count > 0; count--, metric++) {
		assert_true(metric->help[0] != '\0');
		assert_true(matches(metric->name, "^[a-z0-9_]*$"));
		for (size_t i = 0; i < taken; i++)
			assert_string_not_equal(metric->name, names[i]);
		names[taken++] = metric->name;
	}
}

TEST(names_are_unique_and_well_formed) {
	check_metrics(counter_metrics, COUNTER_COUNT);
	check_metrics(gauge_metrics, GAUGE_COUNT);
	check_metrics(histogram_metrics, HISTOGRAM_COUNT);
}

TEST(each_close_reason_has_its_counter) {
	for (enum close_reason reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
		enum counter counter = close_reason_counter(reason);
		assert_string_equal(counter_metrics[counter].name,
				    test_text("connections_closed_%s", close_reason_name(reason)));
		assert_int_equal(counter_metrics[counter].unit, UNIT_COUNT);
	}
}

// Two threads that count must not share a cache line.
TEST(threads_count_on_cache_lines_of_their_own) {
	assert_int_equal((uintptr_t)stats.threads % 64, 0);
	assert_int_equal(sizeof(struct thread_stats) % 64, 0);
}

TEST(a_snapshot_adds_up_all_threads) {
	for (size_t i = 0; i < stats.thread_count; i++) {
		counter_add(&stats.threads[i], COUNTER_messages, i + 1);
		histogram_record(&stats.threads[i].histogram[HISTOGRAM_queue_wait_seconds], i);
	}
	counter_add(&stats.threads[1], COUNTER_bytes_received, UINT64_C(1) << 40);
	counter_add(&stats.threads[1], COUNTER_bytes_received, 1);
	uint64_t before = clock_now();
	stats_sum(&stats, WORKERS, &snapshot);
	assert_true(snapshot.taken >= before && snapshot.taken <= clock_now());
	assert_int_equal(snapshot.counter[COUNTER_messages], 15);
	assert_int_equal(snapshot.counter[COUNTER_bytes_received], (UINT64_C(1) << 40) + 1);
	assert_int_equal(snapshot.histogram[HISTOGRAM_queue_wait_seconds].count, 1 + WORKERS);
	assert_int_equal(snapshot.histogram[HISTOGRAM_queue_wait_seconds].max, WORKERS);
	assert_int_equal(snapshot.histogram[HISTOGRAM_service_time_seconds].count, 0);
	stats_sum(&stats, WORKERS, &snapshot); // replaces what was there
	assert_int_equal(snapshot.counter[COUNTER_messages], 15);
}

static void expect_gauges(uint64_t open, uint64_t queued, uint64_t serving, uint64_t parked) {
	stats_sum(&stats, WORKERS, &snapshot);
	assert_int_equal(snapshot.gauge[GAUGE_connections_open], open);
	assert_int_equal(snapshot.gauge[GAUGE_connections_queued], queued);
	assert_int_equal(snapshot.gauge[GAUGE_connections_serving], serving);
	assert_int_equal(snapshot.gauge[GAUGE_connections_parked], parked);
}

TEST(gauges_follow_from_the_counters) {
	expect_gauges(0, 0, 0, 0);
	counter_add(&stats.threads[0], COUNTER_connections_accepted, 10);
	expect_gauges(10, 10, 0, 0);
	counter_add(&stats.threads[1], COUNTER_connections_taken, 3);
	expect_gauges(10, 7, 3, 0);
	counter_add(&stats.threads[1], COUNTER_connections_closed_reset, 1);
	counter_add(&stats.threads[2], COUNTER_connections_closed_peer, 1);
	expect_gauges(8, 7, 1, 0);
	// A worker cannot serve two: the snapshot does not have the end of one yet.
	counter_add(&stats.threads[1], COUNTER_connections_taken, WORKERS);
	expect_gauges(8, 4, WORKERS, 0);
	counter_add(&stats.threads[1], COUNTER_connections_closed_peer, 5);
	counter_add(&stats.threads[1], COUNTER_connections_taken, 5);
	counter_add(&stats.threads[1], COUNTER_parks_reading, 1);
	expect_gauges(3, 0, 3, 0); // nor is one parked that is served
}

TEST(parked_connections_come_back_by_way_of_the_queue) {
	counter_add(&stats.threads[0], COUNTER_connections_accepted, 10);
	counter_add(&stats.threads[1], COUNTER_connections_taken, 4);
	counter_add(&stats.threads[1], COUNTER_parks_reading, 2);
	expect_gauges(10, 6, 2, 2);
	counter_add(&stats.threads[2], COUNTER_parks_writing, 1);
	expect_gauges(10, 6, 1, 3);
	counter_add(&stats.threads[2], COUNTER_unparks, 2);
	expect_gauges(10, 8, 1, 1);
	counter_add(&stats.threads[1], COUNTER_connections_taken, 2);
	expect_gauges(10, 6, 3, 1);
	counter_add(&stats.threads[1], COUNTER_quantum_expiries, 1);
	expect_gauges(10, 7, 2, 1);
	counter_add(&stats.threads[1], COUNTER_connections_closed_peer, 2);
	expect_gauges(8, 7, 0, 1);
	// It was unparked before its parking was counted.
	counter_add(&stats.threads[2], COUNTER_unparks, 2);
	expect_gauges(8, 8, 0, 0);
}

ABORTS(closing_what_was_not_accepted) {
	counter_add(&stats.threads[1], COUNTER_connections_taken, 1);
	counter_add(&stats.threads[1], COUNTER_connections_closed_peer, 1);
	stats_sum(&stats, WORKERS, &snapshot);
}

ABORTS(closing_what_was_not_taken) {
	counter_add(&stats.threads[0], COUNTER_connections_accepted, 1);
	counter_add(&stats.threads[1], COUNTER_connections_closed_idle, 1);
	stats_sum(&stats, WORKERS, &snapshot);
}

static atomic_bool ended;

static void *live(void *own) {
	static const enum counter life[] = {COUNTER_connections_accepted, COUNTER_connections_taken,
					    COUNTER_connections_closed_peer};
	for (int i = 0; !ended || i != 0; i = (i + 1) % 3)
		counter_add(own, life[i], 1);
	return own;
}

// What follows from another count is read first.
TEST(the_laws_hold_in_every_snapshot) {
	pthread_t thread = thread_begin(live, &stats.threads[1]);
	for (int i = 0; i < SNAPSHOTS; i++)
		stats_sum(&stats, WORKERS, &snapshot);
	ended = true;
	assert_non_null(thread_end(thread));
	expect_gauges(0, 0, 0, 0);
}
