// The work queue: order, close, wake-ups: pool/work_queue.
#include "expect.h"

#include "base/assert.h"
#include "pool/work_queue.h"
#include "process.h"

#define SLEEPERS 8
#define ROUNDS 10000
#define ITEMS ROUNDS

// How many times a thread has gone to sleep.
static atomic_uint sleeps;

// Each wait is interrupted once.
WRAP(int, sem_wait, (sem_t * semaphore)) {
	static _Thread_local bool interrupted;
	if ((interrupted = !interrupted)) {
		errno = EINTR;
		return -1;
	}
	atomic_fetch_add(&sleeps, 1);
	return __real_sem_wait(semaphore);
}

struct item {
	struct work work;
	unsigned number;
	atomic_uint seen;
};

static struct work_queue queue;
static struct item items[ITEMS];
static struct sleeper sleepers[SLEEPERS];
static struct waker leader;

// Another thread is at the parking lot: a worker that finds the queue empty sleeps.
BEFORE_EACH {
	waker_open(&leader, NULL);
	work_queue_init(&queue, ITEMS, SLEEPERS + 1, SLEEPERS, 1, &leader);
	atomic_store(&queue.leading, true);
	for (unsigned i = 0; i < ITEMS; i++)
		items[i] = (struct item){.number = i};
	atomic_store(&sleeps, 0);
	for (unsigned i = 0; i < SLEEPERS; i++)
		sem_init(&sleepers[i].woken, 0, 0);
}

AFTER_EACH {
	waker_close(&leader);
	work_queue_destroy(&queue);
}

static unsigned number_of(const struct work *work) {
	assert_non_null(work);
	return ((const struct item *)(const void *)work)->number;
}

static void push(unsigned first, unsigned end) {
	for (unsigned i = first; i < end; i++)
		work_queue_push(&queue, &items[i].work);
}

// Takes one as the sleeper `argument`, or NULL when it is the end.
static void *take_as(void *argument) {
	struct work *works[WORK_QUEUE_BATCH];
	unsigned count = 0;
	enum next next = work_queue_take(&queue, argument, works, &count);
	if (next == NEXT_EXIT)
		return NULL;
	ensure(next == NEXT_SERVE && count == 1);
	return works[0];
}

// As a worker that never sleeps.
static struct work *take(void) { return take_as(NULL); }

static void expect_taken(unsigned first, unsigned end) {
	for (unsigned i = first; i < end; i++)
		assert_int_equal(number_of(take()), i);
}

static void expect_depth(size_t depth, size_t depth_max) {
	assert_int_equal(queue.depth, depth);
	assert_int_equal(queue.depth_max, depth_max);
}

TEST(it_knows_its_depth_and_the_greatest) {
	expect_depth(0, 0);
	push(0, 3);
	take();
	expect_depth(2, 3);
	take();
	take();
	expect_depth(0, 3);
}

TEST(work_knows_when_it_was_pushed) {
	uint64_t before = clock_now();
	push(0, 1);
	const struct work *work = take();
	assert_true(work->queued_at >= before && work->queued_at <= clock_now());
}

TEST(after_close_what_is_left_and_then_nothing) {
	push(0, 3);
	work_queue_close(&queue);
	expect_taken(0, 3);
	assert_null(take());
	assert_null(take());
}

static pthread_t threads[SLEEPERS];

// One after the other, so that the order in which they fall asleep is known.
static void start_sleepers(void) {
	for (unsigned i = 0; i < SLEEPERS; i++) {
		threads[i] = thread_begin(take_as, &sleepers[i]);
		yield_until(atomic_load(&sleeps) >= i + 1);
	}
}

TEST(close_wakes_all_sleepers) {
	start_sleepers();
	work_queue_close(&queue);
	for (size_t i = 0; i < SLEEPERS; i++)
		assert_null(thread_end(threads[i]));
}

// So that few workers do what few can do, however many there are.
TEST(the_last_to_fall_asleep_is_the_first_to_wake) {
	start_sleepers();
	for (unsigned i = SLEEPERS; i-- > 0;) {
		push(i, i + 1);
		assert_int_equal(number_of(thread_end(threads[i])), i);
	}
}

static void *take_all(void *argument) {
	struct work *work;
	while ((work = take_as(argument)))
		atomic_fetch_add(&((struct item *)(void *)work)->seen, 1);
	return NULL;
}

static void push_and_see(unsigned i) {
	push(i, i + 1);
	yield_until(atomic_load(&items[i].seen));
}

// Here the push comes at any time on the taker's way to sleep.
TEST(a_push_is_not_missed_on_the_way_to_sleep) {
	pthread_t taker = thread_begin(take_all, &sleepers[0]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (volatile unsigned spin = 0; spin < i % 300; spin++)
			;
		push_and_see(i);
	}
	work_queue_close(&queue);
	thread_end(taker);
}

ABORTS(push_after_close) {
	work_queue_close(&queue);
	push(0, 1);
}

ABORTS(push_beyond_the_capacity) {
	queue.capacity = 1;
	push(0, 2);
}

ABORTS(destroy_while_full) {
	push(0, 1);
	work_queue_destroy(&queue);
}
