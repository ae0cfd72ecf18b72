// Which workers the work queue wakes, and for what: what next, batches, the leader:
// pool/work_queue. The test sets what workers do; no thread is behind it.
#include "test.h"

#include <poll.h>

#include "base/clock.h"
#include "pool/work_queue.h"

#define ITEMS 1000

static struct work_queue queue;
static struct work items[ITEMS];
static struct work *works[WORK_QUEUE_BATCH];
static unsigned count;
static unsigned next; // item to push
static struct waker leader = {.fd = -1};
static struct sleeper sleepers[8];
static unsigned asleep; // of them, as the test began

// So many workers sleep or wait for a client, and one leads or none; the rest is awake.
static void pretend(unsigned sleeping, unsigned waiting, bool leading) {
	queue.sleepers = NULL;
	for (unsigned i = 0; i < sleeping; i++) {
		sem_init(&sleepers[i].woken, 0, 0);
		sleepers[i].next = queue.sleepers;
		queue.sleepers = &sleepers[i];
	}
	queue.sleeping = asleep = sleeping;
	atomic_store(&queue.waiting, waiting);
	atomic_store(&queue.leading, leading);
}

static void begin_with(unsigned workers, unsigned cpus, unsigned batch) {
	if (leader.fd < 0)
		assert_int_equal(waker_open(&leader, NULL), 0);
	work_queue_init(&queue, ITEMS, workers, cpus, batch, &leader);
	next = 0;
}

BEFORE_EACH { begin_with(4, 2, 1); }

static enum next take(void) {
	count = 0;
	return work_queue_take(&queue, NULL, works, &count);
}

static void expect_served(const struct work *work) {
	assert_int_equal(take(), NEXT_SERVE);
	assert_ptr_equal(works[0], work);
}

// Takes what is left.
AFTER_EACH {
	pretend(0, 0, true);
	while (queue.depth > 0)
		assert_int_equal(take(), NEXT_SERVE);
	work_queue_destroy(&queue);
	waker_close(&leader);
}

static bool leader_is_woken(void) {
	struct pollfd fd = {.fd = leader.fd, .events = POLLIN};
	bool woken = poll(&fd, 1, 0) == 1;
	waker_clear(&leader);
	return woken;
}

// Returns whether that has woken the leader.
static bool push(void) {
	work_queue_push(&queue, &items[next++]);
	return leader_is_woken();
}

static void expect_wakes(unsigned wakes, uint64_t withheld) {
	unsigned woken = 0;
	for (unsigned i = 0; i < asleep; i++) {
		int posted = 0;
		sem_getvalue(&sleepers[i].woken, &posted);
		woken += (unsigned)posted;
	}
	assert_int_equal(woken, wakes);
	assert_int_equal(queue.sleeping, asleep - woken);
	assert_int_equal(queue.wakes_withheld, withheld);
}

// The next push wakes a worker or none, but not the leader; so many were woken or not so far.
static void push_wakes(unsigned wakes, uint64_t withheld) {
	assert_false(push());
	expect_wakes(wakes, withheld);
}

TEST(no_more_are_woken_than_there_are_cpus) {
	pretend(3, 0, true); // all four at rest, two CPUs
	push_wakes(1, 0);
	push_wakes(2, 0);
	push_wakes(2, 1);
	assert_int_equal(queue.sleeping, 1);
}

TEST(a_worker_that_waits_for_a_client_leaves_a_cpu) {
	pretend(2, 0, false); // two awake
	push_wakes(0, 1);
	pretend(2, 1, false); // one of them waits
	push_wakes(1, 1);
	push_wakes(1, 2);
}

TEST(the_leader_is_woken_where_no_sleeper_can) {
	pretend(0, 3, true);
	assert_true(push());
	pretend(0, 2, true); // one is awake, and there is a CPU
	assert_true(push());
	pretend(0, 1, true); // two are
	push_wakes(0, 1);
	work_queue_wait_begins(&queue); // one of them
	assert_true(leader_is_woken());
	pretend(0, 0, true); // there is no CPU, or no leader
	work_queue_wait_begins(&queue);
	assert_false(leader_is_woken());
	pretend(0, 3, false);
	assert_false(push());
	pretend(1, 2, true); // a sleeper can
	assert_false(push());
}

// A worker begins to wait for its client, and is back.
static void expect_wait(unsigned wakes, uint64_t withheld) {
	work_queue_wait_begins(&queue);
	assert_false(leader_is_woken());
	assert_int_equal(queue.waiting, 1);
	expect_wakes(wakes, withheld);
	atomic_fetch_sub(&queue.waiting, 1);
}

TEST(a_worker_about_to_wait_wakes_another) {
	pretend(2, 0, false); // to lead
	expect_wait(1, 0);
	pretend(2, 0, true); // there is a leader, and nothing else to do
	expect_wait(0, 0);
	pretend(1, 0, true); // two awake
	push_wakes(0, 1);
	expect_wait(1, 1); // for what is queued
	assert_int_equal(queue.waiting, 0);
}

// Links items from `first` on as the parking lot does.
static void bring(unsigned first, unsigned many) {
	for (unsigned i = 0; i < many; i++)
		items[first + i].next = i + 1 < many ? &items[first + i + 1] : NULL;
	struct work_list found = {many ? &items[first] : NULL,
				  many ? &items[first + many - 1] : NULL, many};
	work_queue_poll_results(&queue, &found, clock_now());
}

// What was put back before a poll counts, as it is taken first: what the poll brought must not wait
// for it.
TEST(the_leader_wakes_others_for_all_that_is_queued_but_one) {
	static const struct {
		unsigned put_back, found, wakes;
	} cases[] = {{0, 0, 0}, {0, 1, 0}, {0, 2, 1}, {0, 4, 3},
		     {1, 0, 0}, {1, 1, 1}, {2, 0, 1}, {2, 1, 2}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		after_each();
		begin_with(8, 8, 1);
		pretend(7, 0, true);
		uint64_t before = clock_now();
		for (unsigned k = 0; k < cases[i].put_back; k++)
			work_queue_put_back(&queue, &items[k]);
		bring(cases[i].put_back, cases[i].found);
		assert_false(queue.leading);
		expect_wakes(cases[i].wakes, 0);
		pretend(0, 0, true);
		for (unsigned k = 0; k < cases[i].put_back + cases[i].found; k++) {
			expect_served(&items[k]);
			assert_true(works[0]->queued_at >= before);
		}
		assert_int_equal(queue.depth, 0);
	}
	pretend(7, 0, true);
	atomic_store(&queue.cpus, 2); // the leader, and one more
	bring(0, 5);
	expect_wakes(1, 3);
}

// CPUs come and go.
TEST(as_many_are_awake_as_there_are_cpus_now) {
	pretend(3, 0, true);
	for (int i = 0; i < 3; i++)
		push();
	expect_wakes(2, 1);
	atomic_store(&queue.cpus, 4);
	push();
	expect_wakes(3, 1);
	pretend(3, 0, true);
	atomic_store(&queue.cpus, 1);
	push();
	push();
	expect_wakes(1, 2);
	assert_int_equal(queue.cpus, 1);
}

TEST(one_at_a_time_leads) {
	assert_int_equal(take(), NEXT_WAIT);
	push();
	assert_int_equal(take(), NEXT_SERVE); // another
	bring(0, 0);
	assert_int_equal(take(), NEXT_WAIT);
}

TEST(what_is_put_back_comes_after_a_poll) {
	work_queue_put_back(&queue, &items[0]);
	expect_wakes(0, 0);
	assert_int_equal(take(), NEXT_POLL);
	bring(1, 2);
	for (unsigned i = 0; i < 3; i++)
		expect_served(&items[i]);   // the poll was enough
	atomic_store(&queue.leading, true); // another worker is there
	work_queue_put_back(&queue, &items[0]);
	assert_int_equal(take(), NEXT_SERVE);
}

TEST(however_much_is_queued_the_lot_is_polled) {
	for (int i = 0; i < 200; i++)
		push();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 64; i++)
			assert_int_equal(take(), NEXT_SERVE);
		assert_int_equal(take(), NEXT_POLL);
		bring(0, 0);
	}
}

TEST(a_batch_is_the_share_of_a_worker_that_can_run) {
	static const struct {
		unsigned workers, cpus, batch, depth, expected;
	} cases[] = {
		{2, 2, 64, 1, 1},     {2, 2, 64, 3, 1},	     {2, 2, 64, 4, 2},
		{1, 1, 64, 5, 5},     {1, 8, 64, 5, 5},	     {2, 2, 64, 9, 4},
		{2, 2, 64, 19, 4},    {2, 2, 64, 20, 5},     {2, 8, 64, 100, 25},
		{64, 2, 64, 100, 25}, {1000, 1, 64, 50, 50}, {2, 2, 64, 1000, 64},
		{1, 1, 1, 100, 1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		after_each();
		begin_with(cases[i].workers, cases[i].cpus, cases[i].batch);
		atomic_store(&queue.leading, true);
		while (next < cases[i].depth)
			push();
		expect_served(&items[0]);
		assert_int_equal(count, cases[i].expected);
		for (unsigned k = 0; k < count; k++)
			assert_ptr_equal(works[k], &items[k]);
		assert_int_equal(queue.depth, cases[i].depth - count);
	}
}

TEST(the_end_comes_while_the_leader_is_away) {
	push();
	work_queue_close(&queue);
	atomic_store(&queue.leading, true);
	assert_int_equal(take(), NEXT_SERVE); // what is left
	assert_int_equal(take(), NEXT_EXIT);
	bring(0, 0);
	assert_int_equal(take(), NEXT_EXIT); // the leader, and it does not lead again
	assert_false(queue.leading);
}
