// tools/echoload/load/counters: errors, and the buffer that a thread counts in and the main thread
// takes from it. A writer counts as fast as it can while they are requested. What it counts has
// numbers, so that what is lost or counted twice shows in the sums.
#include "expect.h"

#include <stdatomic.h>

#include "echoload/load/counters.h"
#include "net/connect.h"
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
	counters->answered += 4;
	counters->last = number;
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
	assert_int_equal(counters->answered, 4 * events);
	assert_int_equal(counters->last, events > 0 ? first + events - 1 : 0);
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

TEST(the_first_faults_are_kept_of_many_counters) {
	counters_reset(&copy);
	uint64_t number = 0;
	for (uint64_t buffer = 1; buffer <= 3; buffer++) {
		for (int i = 0; i < COUNTERS_FAULTS - 24; i++)
			count(&copy, number++);
		counters_add(&sum, &copy);
		counters_reset(&copy);
		counters_add(&sum, &copy); // nothing
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

TEST(errno_values_have_their_meaning) {
	static const struct {
		enum load_error error;
		bool connecting;
		int numbers[3]; // 0 last
	} cases[] = {
		{LOAD_REFUSED, true, {ECONNREFUSED, ENOENT}},
		{LOAD_CONNECT_TIMEOUT, true, {EAGAIN, ETIMEDOUT}}, // a Unix-domain socket's backlog
		{LOAD_UNREACHABLE, true, {ENETUNREACH}},
		{LOAD_UNREACHABLE, false, {EHOSTUNREACH}},
		{LOAD_TIMEOUT, false, {ETIMEDOUT}},
		{LOAD_EARLY_CLOSE, false, {ECONNRESET, EPIPE}},
		{LOAD_EARLY_CLOSE, true, {ECONNRESET}},
		{LOAD_SELF_CONNECT, true, {CONNECT_TO_ITSELF}},
		{LOAD_OUT_OF_PORTS, true, {EADDRNOTAVAIL, EADDRINUSE}},
		{LOAD_OUT_OF_DESCRIPTORS, true, {EMFILE, ENFILE}},
		{LOAD_OUT_OF_MEMORY, false, {ENOMEM, ENOBUFS}},
		{LOAD_OTHER, false, {EAGAIN, EBADF}},
		{LOAD_OTHER, true, {EACCES}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (const int *number = cases[i].numbers; *number; number++)
			assert_int_equal(load_error_of(*number, cases[i].connecting),
					 cases[i].error);
}

static void assert_early_closes(const struct load_errors *errors, uint64_t first_at,
				uint32_t first_connection) {
	const struct load_error_count *early = &errors->of[LOAD_EARLY_CLOSE];
	assert_int_equal(load_errors_total(errors), 3);
	assert_int_equal(early->count, 2);
	assert_int_equal(early->first_at, first_at);
	assert_int_equal(early->first_connection, first_connection);
	assert_int_equal(early->first_errno, ECONNRESET);
}

TEST(sums_know_the_earliest) {
	struct load_errors early = {0}, late = {0}, total = {0};
	load_errors_note(&early, LOAD_EARLY_CLOSE, ECONNRESET, 1, 0); // as the run began
	load_errors_note(&late, LOAD_EARLY_CLOSE, EPIPE, 2, 50);
	load_errors_note(&late, LOAD_REFUSED, ECONNREFUSED, 3, 60);
	load_errors_add(&total, &late);
	load_errors_add(&total, &early);
	assert_early_closes(&total, 0, 1);
	assert_int_equal(total.of[LOAD_REFUSED].first_at, 60);
	assert_int_equal(load_errors_first(&late), LOAD_EARLY_CLOSE);
	load_errors_note(&late, LOAD_TIMEOUT, 0, 4, 40); // of a later kind, too
	load_errors_note(&late, LOAD_OTHER, 0, 4, 70);
	assert_int_equal(load_errors_first(&late), LOAD_TIMEOUT);
	assert_int_equal(load_errors_first(&(struct load_errors){0}), LOAD_ERRORS);
	late.of[LOAD_TIMEOUT] = late.of[LOAD_OTHER] = (struct load_error_count){0};
	load_errors_add(&early, &late); // the other way round
	assert_memory_equal(&early, &total, sizeof(total));
}
