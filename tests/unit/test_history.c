// Ten minutes of the pool, a row a second: http/history. The times are made up.
#include "expect.h"

#include "base/clock.h"
#include "http/history.h"

static struct history history;
static struct snapshot snapshot;
static uint64_t after;

BEFORE_EACH {
	memset(&history, 0, sizeof(history));
	memset(&snapshot, 0, sizeof(snapshot));
	after = 0;
}

static void sample(uint64_t ms) {
	snapshot.taken = 1000 * NS_PER_S + ms * NS_PER_MS;
	snapshot.gauge[GAUGE_uptime_seconds] = ms * NS_PER_MS;
	history_add(&history, &snapshot);
}

static void write_it(FILE *out) { history_write(&history, after, out); }

static void expect_rows(const char *rows) { assert_string_equal(test_output(write_it), rows); }

static void take(enum histogram_id which, uint64_t ns, uint64_t count) {
	struct histogram_sum *sum = &snapshot.histogram[which];
	sum->bucket[buckets_index(HISTOGRAM_SUB_BITS, ns)] += count;
	sum->max = ns;
}

TEST(the_first_sample_only_begins) {
	expect_rows("[]");
	snapshot.counter[COUNTER_messages] = 1000;
	sample(5000);
	expect_rows("[]");
	sample(6000);
	expect_rows("[[6000,0,null,null,null,null]]");
}

TEST(a_row_is_of_its_span_alone) {
	take(HISTOGRAM_queue_wait_seconds, 7, 1000);
	sample(0);
	take(HISTOGRAM_queue_wait_seconds, 16, 95);
	take(HISTOGRAM_queue_wait_seconds, 31, 5);
	snapshot.counter[COUNTER_messages] = 300;
	sample(1500);
	expect_rows("[[1500,200,16,31,null,null]]");
	take(HISTOGRAM_service_time_seconds, 20, 1);
	sample(2500);
	expect_rows("[[1500,200,16,31,null,null],[2500,0,null,null,20,20]]");
	after = 1500;
	expect_rows("[[2500,0,null,null,20,20]]");
	after = 2500;
	expect_rows("[]");
}

TEST(ten_minutes_are_kept) {
	for (uint64_t i = 0; i <= HISTORY_ROWS + 50; i++)
		sample(i * 1000);
	const json_t *rows = json_from(test_output(write_it));
	assert_int_equal(json_array_size(rows), HISTORY_ROWS);
	for (size_t i = 0; i < HISTORY_ROWS; i++) {
		const json_t *at = json_array_get(json_array_get(rows, i), 0);
		assert_int_equal(json_integer_value(at), (i + 51) * 1000);
	}
}
