// The work queue among workers that sleep, lead, serve, wait, park and put back, all of them
// threads: pool/work_queue.
#include "expect.h"

#include "pool/work_queue.h"
#include "process.h"

#define ITEMS 20000
#define TURNS 5 // of each item: 10^5 in all
#define WORKERS 3
#define YIELD_EVERY 64 // a busy machine takes a whole slice for each yield

struct item {
	struct work work;
	unsigned number;
	atomic_uint turns;
};

static struct work_queue queue;
static struct item items[ITEMS];

// A parking lot: what is parked comes back with the next poll.
static struct {
	pthread_mutex_t lock;
	struct work_list works;
} lot = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct waker leader;
static atomic_uint done;

static void park(struct work *work) {
	pthread_mutex_lock(&lot.lock);
	work_list_append(&lot.works, work);
	pthread_mutex_unlock(&lot.lock);
	waker_wake(&leader);
}

static void lead(bool wait) {
	struct pollfd fd = {.fd = leader.fd, .events = POLLIN};
	if (wait)
		assert_int_equal(poll(&fd, 1, -1), 1);
	waker_clear(&leader);
	pthread_mutex_lock(&lot.lock);
	struct work_list found = lot.works;
	lot.works = (struct work_list){0};
	pthread_mutex_unlock(&lot.lock);
	work_queue_poll_results(&queue, &found, clock_now());
}

static void serve(struct work *work) {
	struct item *item = (struct item *)(void *)work;
	unsigned turn = atomic_fetch_add(&item->turns, 1) + 1;
	unsigned choice = (item->number + turn) % 3;
	if (choice == 0) {
		work_queue_wait_begins(&queue);
		if (item->number % YIELD_EVERY == 0)
			sched_yield();
		atomic_fetch_sub(&queue.waiting, 1);
	}
	if (turn < TURNS && choice == 1)
		work_queue_put_back(&queue, work);
	else if (turn < TURNS)
		park(work);
	else if (atomic_fetch_add(&done, 1) + 1 == ITEMS)
		work_queue_close(&queue);
}

static void *run_worker(void *argument) {
	struct work *own[WORK_QUEUE_BATCH];
	for (;;) {
		unsigned count = 0;
		enum next next = work_queue_take(&queue, argument, own, &count);
		if (next == NEXT_WAIT || next == NEXT_POLL)
			lead(next == NEXT_WAIT);
		else if (next != NEXT_SERVE)
			return NULL;
		for (unsigned i = 0; i < count; i++)
			serve(own[i]);
	}
}

static void run_with(unsigned workers, unsigned cpus) {
	pthread_t threads[WORKERS];
	struct sleeper sleepers[WORKERS];
	waker_open(&leader, NULL);
	work_queue_init(&queue, ITEMS, workers, cpus, 8, &leader);
	for (unsigned i = 0; i < ITEMS; i++)
		items[i] = (struct item){.number = i};
	atomic_store(&done, 0);
	for (unsigned i = 0; i < workers; i++) {
		sem_init(&sleepers[i].woken, 0, 0);
		threads[i] = thread_begin(run_worker, &sleepers[i]);
	}
	for (unsigned i = 0; i < ITEMS; i++)
		work_queue_push(&queue, &items[i].work);
	yield_until(atomic_load(&done) == ITEMS);
	for (unsigned i = 0; i < workers; i++)
		thread_end(threads[i]);
	for (unsigned i = 0; i < ITEMS; i++)
		assert_int_equal(items[i].turns, TURNS);
	work_queue_destroy(&queue);
	waker_close(&leader);
}

TEST(nothing_is_lost_on_the_way_round) {
	for (unsigned workers = 1; workers <= WORKERS; workers++)
		for (unsigned cpus = 1; cpus <= workers; cpus++)
			run_with(workers, cpus);
}
