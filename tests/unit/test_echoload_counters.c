// The buffer that a thread counts in and the main thread takes from it:
// tools/echoload/load/counters. A writer counts as fast as it can while they are requested. What
// it counts has numbers, so that what is lost or counted twice shows in the sums.
#include "expect.h"

#include <stdatomic.h>

#include "echoload/load/counters.h"
#include "process.h"

#define ROUNDS 100
#define VALUES 1000

static struct counter_buffers buffers;
static struct counters sum, copy;

BEFORE_EACH {
	counter_buffers_init(&buffers);
	counters_reset(&sum);
}

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
	uint64_t events = counters->messages, numbers = 0;
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

static _Atomic uint64_t written; // events, by the writer
static _Atomic bool enough;	 // by the main thread
static _Atomic bool finished;	 // by the writer, after its last turn

static void *write_counters(void *argument) {
	uint64_t number = 0;
	while (!atomic_load(&enough)) {
		counter_buffers_swap(&buffers);
		count(buffers.open, number++);
		atomic_store(&written, number);
	}
	atomic_store(&finished, true);
	return NULL;
}

static bool try_take(const struct counters **counters) {
	if (atomic_load(&finished))
		counter_buffers_swap(&buffers); // on the writer's behalf, as the engine does
	*counters = counter_buffers_take(&buffers);
	return *counters;
}

// Asks for the counters, adds them to `sum`, and their events to `taken`.
static const struct counters *take(uint64_t *taken) {
	const struct counters *counters;
	counter_buffers_request(&buffers);
	yield_until(try_take(&counters));
	*taken += assert_holds(counters, *taken);
	counters_add(&sum, counters);
	return counters;
}

// They stay as they are, however long it takes, while the writer goes on.
static void assert_unchanged(const struct counters *counters) {
	memcpy(&copy, counters, sizeof(copy));
	uint64_t before = atomic_load(&written);
	yield_until(atomic_load(&written) >= before + 100);
	assert_memory_equal(&copy, counters, sizeof(copy));
}

TEST(nothing_is_lost_while_it_is_taken) {
	pthread_t writer = thread_begin(write_counters, NULL);
	uint64_t taken = 0;
	unsigned full = 0;
	for (int i = 0; i < ROUNDS; i++) {
		const struct counters *counters = take(&taken);
		full += counters->messages > 0;
		if (i % 10 == 0)
			assert_unchanged(counters);
	}
	atomic_store(&enough, true);
	take(&taken);
	thread_end(writer);
	take(&taken); // what it counted between its last turn and its end
	assert_int_equal(taken, atomic_load(&written));
	assert_int_equal(assert_holds(&sum, 0), taken);
	assert_true(full > ROUNDS / 2);
}

TEST(counters_in_use_are_not_given) {
	count(buffers.open, 0);
	counter_buffers_swap(&buffers); // without a request
	count(buffers.open, 1);
	counter_buffers_request(&buffers);
	assert_null(counter_buffers_take(&buffers));
	count(buffers.open, 2); // before the thread swaps them
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
