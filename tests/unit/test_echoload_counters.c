// The buffer that a thread counts in and the main thread takes from it:
// tools/echoload/load/counters. A writer counts as fast as it can while they are requested. What
// it counts has numbers, so that what is lost or counted twice shows in the sums.
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "echoload/load/counters.h"

#define ROUNDS 100
#define VALUES 1000

static struct counter_buffers buffers;
static struct counters sum;
static struct counters copy;

static void begin(void) {
	counter_buffers_init(&buffers);
	counters_reset(&sum);
}

FIXTURE(begin, NULL);

// Counts the event `number` in every one of `counters`.
static void count(struct counters *counters, uint64_t number) {
	hdr_record(&counters->latency, number % VALUES);
	hdr_record(&counters->uncorrected, 2 * (number % VALUES));
	hdr_record(&counters->lateness, 3 * (number % VALUES));
	counters->messages++;
	counters->bytes += number;
	counters->verified += 2 * number;
	counters->visits += 3;
	counters->due += 5;
	counters->unanswered += 6;
	load_errors_note(&counters->errors, LOAD_EARLY_CLOSE, 0, (uint32_t)number, number);
	if (counters->fault_count < COUNTERS_FAULTS)
		counters->faults[counters->fault_count] = (struct fault){.offset = number};
	counters->fault_count++;
}

// Asserts that `counters` holds the events from `first` on, and returns how many.
static uint64_t assert_holds(const struct counters *counters, uint64_t first) {
	uint64_t events = counters->messages;
	uint64_t numbers = 0;
	hdr_sum values = 0;
	for (uint64_t number = first; number < first + events; number++) {
		numbers += number;
		values += number % VALUES;
	}
	assert_int_equal(counters->latency.count, events);
	assert_int_equal(counters->uncorrected.count, events);
	assert_int_equal(counters->lateness.count, events);
	assert_true(counters->latency.sum == values);
	assert_true(counters->uncorrected.sum == 2 * values);
	assert_true(counters->lateness.sum == 3 * values);
	assert_int_equal(counters->bytes, numbers);
	assert_int_equal(counters->verified, 2 * numbers);
	assert_int_equal(counters->visits, 3 * events);
	assert_int_equal(counters->due, 5 * events);
	assert_int_equal(counters->unanswered, 6 * events);
	assert_int_equal(load_errors_total(&counters->errors), events);
	assert_int_equal(counters->fault_count, events);
	if (events > 0)
		assert_int_equal(counters->errors.of[LOAD_EARLY_CLOSE].first_at, first);
	for (uint64_t i = 0; i < events && i < COUNTERS_FAULTS; i++)
		assert_int_equal(counters->faults[i].offset, first + i);
	return events;
}

struct writer {
	_Atomic uint64_t counted; // by the writer
	_Atomic bool enough;	  // by the main thread
	_Atomic bool finished;	  // by the writer, after its last turn
};

static void *write_counters(void *argument) {
	struct writer *writer = argument;
	uint64_t number = 0;
	while (!atomic_load(&writer->enough)) {
		counter_buffers_swap(&buffers);
		count(buffers.open, number++);
		atomic_store(&writer->counted, number);
	}
	atomic_store(&writer->finished, true);
	return NULL;
}

static void wait_for_count(struct writer *writer, uint64_t number) {
	uint64_t deadline = clock_now() + 20 * NS_PER_S;
	while (atomic_load(&writer->counted) < number) {
		assert_true(clock_now() < deadline);
		sched_yield();
	}
}

static const struct counters *wait_for_counters(struct writer *writer) {
	const struct counters *counters;
	uint64_t deadline = clock_now() + 20 * NS_PER_S;
	while (!(counters = counter_buffers_take(&buffers))) {
		assert_true(clock_now() < deadline);
		if (atomic_load(&writer->finished))
			counter_buffers_swap(&buffers); // on its behalf, as the engine does
		sched_yield();
	}
	return counters;
}

TEST(nothing_is_lost_while_it_is_taken) {
	struct writer writer = {0};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_counters, &writer), 0);
	uint64_t taken = 0;
	unsigned full = 0;
	for (int i = 0; i < ROUNDS; i++) {
		counter_buffers_request(&buffers);
		const struct counters *counters = wait_for_counters(&writer);
		taken += assert_holds(counters, taken);
		full += counters->messages > 0;
		counters_add(&sum, counters);
		// It stays as it is, however long it takes, while the writer goes on.
		if (i % 10 == 0) {
			memcpy(&copy, counters, sizeof(copy));
			wait_for_count(&writer, atomic_load(&writer.counted) + 100);
			assert_memory_equal(&copy, counters, sizeof(copy));
		}
	}
	atomic_store(&writer.enough, true);
	counter_buffers_request(&buffers);
	const struct counters *last = wait_for_counters(&writer);
	taken += assert_holds(last, taken);
	counters_add(&sum, last);
	// What came between its last turn and its end is in the buffer that it left open.
	assert_int_equal(pthread_join(thread, NULL), 0);
	counter_buffers_request(&buffers);
	last = wait_for_counters(&writer);
	taken += assert_holds(last, taken);
	counters_add(&sum, last);
	assert_int_equal(taken, atomic_load(&writer.counted));
	assert_int_equal(assert_holds(&sum, 0), taken);
	assert_true(full > ROUNDS / 2);
}

TEST(counters_in_use_are_not_given) {
	count(buffers.open, 0);
	counter_buffers_swap(&buffers); // nobody has asked
	count(buffers.open, 1);
	counter_buffers_request(&buffers);
	assert_null(counter_buffers_take(&buffers));
	count(buffers.open, 2); // before the thread looks
	counter_buffers_swap(&buffers);
	count(buffers.open, 3);
	counter_buffers_swap(&buffers);
	const struct counters *counters = counter_buffers_take(&buffers);
	assert_non_null(counters);
	assert_int_equal(assert_holds(counters, 0), 3);
	assert_ptr_equal(counter_buffers_take(&buffers), counters);
	counter_buffers_request(&buffers);
	assert_null(counter_buffers_take(&buffers));
	counter_buffers_swap(&buffers);
	counters = counter_buffers_take(&buffers);
	assert_non_null(counters);
	assert_int_equal(assert_holds(counters, 3), 1);
}

TEST(empty_counters_have_no_samples) {
	assert_int_equal(assert_holds(&sum, 0), 0);
	assert_true(sum.latency.min == UINT64_MAX);
	counter_buffers_request(&buffers);
	counter_buffers_swap(&buffers);
	counters_add(&sum, counter_buffers_take(&buffers));
	assert_int_equal(assert_holds(&sum, 0), 0);
	assert_true(sum.latency.min == UINT64_MAX);
}

TEST(the_first_faults_are_kept_of_many_counters) {
	counters_reset(&copy);
	uint64_t number = 0;
	for (uint64_t buffer = 1; buffer <= 3; buffer++) {
		for (int i = 0; i < COUNTERS_FAULTS - 24; i++)
			count(&copy, number++);
		counters_add(&sum, &copy);
		counters_reset(&copy);
		assert_int_equal(assert_holds(&sum, 0), number);
	}
	for (int i = 0; i < 2 * COUNTERS_FAULTS; i++) // more than are kept
		count(&copy, number++);
	counters_reset(&sum);
	counters_add(&sum, &copy);
	assert_int_equal(sum.fault_count, 2 * COUNTERS_FAULTS);
	assert_int_equal(sum.faults[COUNTERS_FAULTS - 1].offset,
			 copy.faults[COUNTERS_FAULTS - 1].offset);
}
