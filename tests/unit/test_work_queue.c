// The work queue: order, close, wake-ups: pool/work_queue.
#include "expect.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/clock.h"
#include "pool/work_queue.h"
#include "process.h"

#define SLEEPERS 8
#define ROUNDS 10000
#define PUSHERS 4
#define TAKERS 4
#define ITEMS 100000

// How many times somebody has gone to sleep.
static atomic_uint sleeps;

WRAP(int, sem_wait, (sem_t * semaphore)) {
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

// A queue whose parking lot is somebody else's: who finds it empty sleeps, as many as there are.
static void open_queue(void) {
	waker_open(&leader, NULL);
	work_queue_init(&queue, ITEMS, SLEEPERS + 1, SLEEPERS, 1, &leader);
	atomic_store(&queue.leading, true);
	for (unsigned i = 0; i < ITEMS; i++) {
		items[i].number = i;
		atomic_store(&items[i].seen, 0);
	}
	atomic_store(&sleeps, 0);
	for (unsigned i = 0; i < SLEEPERS; i++)
		sem_init(&sleepers[i].woken, 0, 0);
}

static void close_queue(void) {
	waker_close(&leader);
	work_queue_destroy(&queue);
}

FIXTURE(open_queue, close_queue);

static unsigned number_of(const struct work *work) {
	assert_non_null(work);
	return ((const struct item *)(const void *)work)->number;
}

// Takes one, or NULL when it is the end.
static struct work *take_as(struct sleeper *sleeper) {
	struct work *works[WORK_QUEUE_BATCH];
	unsigned count = 0;
	enum next next = work_queue_take(&queue, sleeper, works, &count);
	if (next == NEXT_EXIT)
		return NULL;
	ensure(next == NEXT_SERVE && count == 1);
	return works[0];
}

// One that never sleeps.
static struct work *take(void) {
	return take_as(NULL);
}

TEST(first_in_is_first_out) {
	for (unsigned i = 0; i < 10; i++)
		work_queue_push(&queue, &items[i].work);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(number_of(take()), i);
	for (unsigned i = 10; i < 15; i++)
		work_queue_push(&queue, &items[i].work);
	for (unsigned i = 5; i < 15; i++)
		assert_int_equal(number_of(take()), i);
	work_queue_push(&queue, &items[0].work); // it may come again
	assert_int_equal(number_of(take()), 0);
}

static void expect_depth(size_t depth, size_t depth_max) {
	assert_int_equal(queue.depth, depth);
	assert_int_equal(queue.depth_max, depth_max);
}

TEST(it_knows_its_depth_and_the_greatest) {
	expect_depth(0, 0);
	for (unsigned i = 0; i < 3; i++)
		work_queue_push(&queue, &items[i].work);
	take();
	expect_depth(2, 3);
	take();
	take();
	expect_depth(0, 3);
}

TEST(work_knows_when_it_was_pushed) {
	uint64_t before = clock_now();
	work_queue_push(&queue, &items[0].work);
	const struct work *work = take();
	assert_true(work->queued_at >= before && work->queued_at <= clock_now());
}

TEST(after_close_what_is_left_and_then_nothing) {
	for (unsigned i = 0; i < 3; i++)
		work_queue_push(&queue, &items[i].work);
	work_queue_close(&queue);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(number_of(take()), i);
	assert_null(take());
	assert_null(take());
}

// Takes one as the sleeper `argument`.
static void *take_once(void *argument) {
	return take_as(argument);
}

// Until so many have gone to sleep in all.
static void wait_for_sleeps(unsigned count) {
	for (uint64_t deadline = clock_deadline(PATIENCE); atomic_load(&sleeps) < count;) {
		if (clock_now() >= deadline)
			fail_msg("nobody went to sleep");
		sched_yield();
	}
}

// One after the other, so that it is known in which order they fell asleep.
static void start_sleepers(pthread_t *threads) {
	for (unsigned i = 0; i < SLEEPERS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, take_once, &sleepers[i]), 0);
		wait_for_sleeps(i + 1);
	}
}

TEST(close_wakes_all_sleepers) {
	pthread_t threads[SLEEPERS];
	start_sleepers(threads);
	work_queue_close(&queue);
	for (size_t i = 0; i < SLEEPERS; i++) {
		void *taken = &queue;
		assert_int_equal(pthread_join(threads[i], &taken), 0);
		assert_null(taken);
	}
}

TEST(each_push_wakes_one_of_the_sleepers) {
	pthread_t threads[SLEEPERS];
	start_sleepers(threads);
	for (size_t i = 0; i < SLEEPERS; i++)
		work_queue_push(&queue, &items[i].work);
	for (size_t i = 0; i < SLEEPERS; i++) {
		void *taken = NULL;
		assert_int_equal(pthread_join(threads[i], &taken), 0);
		assert_int_equal(atomic_fetch_add(&items[number_of(taken)].seen, 1), 0);
	}
}

// So that few workers do what few can do, however many there are.
TEST(the_last_to_fall_asleep_is_the_first_to_wake) {
	pthread_t threads[SLEEPERS];
	start_sleepers(threads);
	for (unsigned i = SLEEPERS; i-- > 0;) {
		void *taken = NULL;
		work_queue_push(&queue, &items[i].work);
		assert_int_equal(pthread_join(threads[i], &taken), 0);
		assert_int_equal(number_of(taken), i);
	}
}

static void *take_all(void *argument) {
	struct work *work;
	while ((work = take_as(argument)))
		atomic_fetch_add(&((struct item *)(void *)work)->seen, 1);
	return NULL;
}

static void wait_until_seen(const struct item *item) {
	for (uint64_t deadline = clock_deadline(PATIENCE); !atomic_load(&item->seen);) {
		if (clock_now() >= deadline)
			fail_msg("work %u was lost", item->number);
		sched_yield();
	}
}

TEST(a_push_always_wakes_a_sleeper) {
	pthread_t taker;
	assert_int_equal(pthread_create(&taker, NULL, take_all, &sleepers[0]), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		wait_for_sleeps(i + 1);
		work_queue_push(&queue, &items[i].work);
		wait_until_seen(&items[i]);
	}
	work_queue_close(&queue);
	pthread_join(taker, NULL);
}

// Here the push comes at any moment of the taker's way to sleep.
TEST(a_push_is_not_missed_on_the_way_to_sleep) {
	pthread_t taker;
	assert_int_equal(pthread_create(&taker, NULL, take_all, &sleepers[0]), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (volatile unsigned spin = 0; spin < i % 300; spin++)
			;
		work_queue_push(&queue, &items[i].work);
		wait_until_seen(&items[i]);
	}
	work_queue_close(&queue);
	pthread_join(taker, NULL);
}

static void *push_share(void *argument) {
	size_t first = *(const size_t *)argument;
	for (size_t i = first; i < ITEMS; i += PUSHERS)
		work_queue_push(&queue, &items[i].work);
	return NULL;
}

TEST(nothing_is_lost_or_doubled_among_many) {
	pthread_t takers[TAKERS];
	pthread_t pushers[PUSHERS];
	size_t shares[PUSHERS];
	for (size_t i = 0; i < TAKERS; i++)
		assert_int_equal(pthread_create(&takers[i], NULL, take_all, &sleepers[i]), 0);
	for (size_t i = 0; i < PUSHERS; i++) {
		shares[i] = i;
		assert_int_equal(pthread_create(&pushers[i], NULL, push_share, &shares[i]), 0);
	}
	for (size_t i = 0; i < PUSHERS; i++)
		pthread_join(pushers[i], NULL);
	work_queue_close(&queue);
	for (size_t i = 0; i < TAKERS; i++)
		pthread_join(takers[i], NULL);
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&items[i].seen), 1);
}

static void push_after_close(void *argument) {
	work_queue_close(&queue);
	work_queue_push(&queue, &items[0].work);
}

static void push_beyond_the_capacity(void *argument) {
	struct work_queue small;
	work_queue_init(&small, 1, 1, 1, 1, &leader);
	work_queue_push(&small, &items[0].work);
	work_queue_push(&small, &items[1].work);
}

static void destroy_while_full(void *argument) {
	work_queue_push(&queue, &items[0].work);
	work_queue_destroy(&queue);
}

TEST(misuse_aborts) {
	expect_abort(push_after_close, NULL);
	expect_abort(push_beyond_the_capacity, NULL);
	expect_abort(destroy_while_full, NULL);
}
