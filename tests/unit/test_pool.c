// The pool: start-up, turns, shut-down: pool/pool. The work is the test's own.
#include "expect.h"

#include <signal.h>
#include <sys/socket.h>

#include "base/cpus.h"
#include "pool/policy.h"
#include "process.h"

#define WORKERS 3
#define JOBS 1000

struct job {
	struct work work;
	atomic_uint served, closed;
	_Atomic int reason;
	_Atomic unsigned worker;
};

static struct job jobs[JOBS];
static struct stats stats;
static struct pool pool;
static atomic_bool held; // turns last until it is released
static atomic_bool signals_open;

static unsigned creations_left; // pthread_create fails from then on
static bool epoll_fails;
static unsigned cpus, online; // that there seem to be; `cpus` 0: as many as there are

// Is quiet at the end of its first two turns, but an event has come meanwhile in the first. It does
// not say that its worker blocks. The job after it uses up its quantum first.
static struct job *eager;
static int pair[2];		 // its end, its peer's
static _Atomic unsigned seen;	 // of each while the other is served: its worker, its state
static _Atomic size_t order[4];	 // ids, in the order in which they were served
static atomic_int more[4];	 // whether its worker had more of them at the time
static _Atomic size_t queued[4]; // and how many nobody had
static _Atomic uint64_t since[4];
static atomic_uint ordered;

WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)) {
	if (creations_left == 0)
		return EAGAIN;
	creations_left--;
	return __real_pthread_create(thread, attributes, run, argument);
}

WRAP(unsigned, cpus_usable, (pthread_t thread)) {
	assert_true(pthread_equal(thread, pool.started ? pool.workers[0].thread : pthread_self()));
	return cpus ? cpus : __real_cpus_usable(thread);
}

WRAP(unsigned, cpus_online, (void)) { return cpus ? online : __real_cpus_online(); }

WRAP(int, epoll_create1, (int flags)) {
	if (!epoll_fails)
		return __real_epoll_create1(flags);
	errno = EMFILE;
	return -1;
}

static struct turn job_serve(struct work *work, struct worker *worker, void *context) {
	struct job *job = (struct job *)(void *)work;
	sigset_t blocked;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (context != jobs || !sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGINT))
		atomic_store(&signals_open, true);
	memset(worker->buffer, (int)worker->id, worker->pool->config.buffer_size);
	unsigned served = atomic_fetch_add(&job->served, 1);
	unsigned place = atomic_fetch_add(&ordered, 1);
	if (place < COUNT_OF(order)) {
		atomic_store(&order[place], job->work.id);
		atomic_store(&more[place], worker->more_queued);
		atomic_store(&queued[place], atomic_load(&worker->pool->queue.depth));
		atomic_store(&since[place], worker->since);
	}
	if (eager && (place == 1 || place == 2))
		seen |= jobs[place - 1].work.worker | (unsigned)jobs[place - 1].work.state;
	if (job != eager)
		policy_begin_blocking(worker);
	while (atomic_load(&held))
		poll(NULL, 0, 1);
	if (job != eager)
		policy_end_blocking(worker);
	if (job == eager && served == 0)
		atomic_store(&work->state, WORK_NOTIFIED);
	if (job == eager && served < 2)
		return (struct turn){.end = TURN_QUIET};
	if (eager && job == eager + 1 && served == 0)
		return (struct turn){.end = TURN_QUANTUM};
	return (struct turn){TURN_CLOSE, (enum close_reason)(job->work.id % CLOSE_REASON_COUNT)};
}

static void job_close(struct work *work, enum close_reason reason, struct worker *worker,
		      void *context) {
	struct job *job = (struct job *)(void *)work;
	atomic_store(&job->reason, (int)reason);
	atomic_store(&job->worker, worker->id);
	atomic_fetch_add(&job->closed, 1);
}

static uint64_t spin; // of the next pool

static int try_start(unsigned workers, uint64_t patience, struct echod_error *error) {
	memset(jobs, 0, sizeof(jobs));
	atomic_store(&ordered, 0);
	for (size_t i = 0; i < JOBS; i++)
		jobs[i].work.id = i + 1;
	assert_int_equal(stats_open(&stats, workers, NULL), 0);
	struct pool_config config = {.workers = workers,
				     .buffer_size = 10000,
				     .capacity = JOBS,
				     .patience = patience,
				     .spin = spin,
				     .idle_timeout = CLOCK_NEVER,
				     .send_timeout = CLOCK_NEVER,
				     .stats = stats.threads,
				     .serve = job_serve,
				     .close = job_close,
				     .context = jobs};
	return pool_start(&pool, &config, error);
}

BEFORE_EACH {
	creations_left = WORKERS;
	atomic_store(&held, false);
	assert_int_equal(try_start(WORKERS, CLOCK_NEVER, NULL), 0);
}

static void start_one(uint64_t patience) {
	creations_left = 1;
	atomic_store(&held, true);
	assert_int_equal(try_start(1, patience, NULL), 0);
}

static void start_eager(uint64_t patience) {
	start_one(patience);
	eager = &jobs[0];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	eager->work.fd = pair[0];
}

static void start_impatient(void) { start_eager(0); }

static void start_polling(void) {
	spin = PATIENCE;
	cpus = online = 2;
	start_eager(PATIENCE);
	spin = 0;
	atomic_store(&held, false);
	assert_true(pool.dedicated_max == 1 && pool.polling_max == 1);
}

AFTER_EACH {
	cpus = 0;
	for (size_t i = 0; eager && i < 2; i++)
		close(pair[i]);
	eager = NULL;
	pool_free(&pool);
	stats_close(&stats);
	assert_false(atomic_load(&signals_open) || !threads_become(0));
}

// For tests that start none.
static void nothing(void) {}

static void submit(size_t count) {
	for (size_t i = 0; i < count; i++)
		pool_submit(&pool, &jobs[i].work);
}

static void close_and_join(void) {
	pool_close(&pool);
	pool_join(&pool);
}

TEST(all_workers_run_when_it_has_started) {
	assert_true(threads_become(WORKERS));
	for (unsigned i = 0; i < WORKERS; i++) {
		const struct worker *worker = &pool.workers[i];
		char name[16];
		assert_int_equal(pthread_getname_np(worker->thread, name, sizeof(name)), 0);
		assert_string_equal(name, test_text("echod/work-%u", i + 1));
		assert_int_equal(worker->id, i + 1);
		assert_int_equal(worker->serving, 0);
		assert_int_equal(worker->served, 0);
		assert_true(worker->since > 0 && worker->since <= clock_now());
		assert_int_equal((uintptr_t)worker->buffer % 4096, 0);
		for (unsigned other = 0; other < i; other++)
			assert_ptr_not_equal(worker->buffer, pool.workers[other].buffer);
	}
	close_and_join();
}

static uint64_t counted(enum counter counter) {
	uint64_t total = 0;
	for (size_t i = 0; i < stats.thread_count; i++)
		total += atomic_load(&stats.threads[i].counter[counter]);
	return total;
}

static struct histogram_sum sum_of(enum histogram_id id) {
	struct histogram_sum sum = {0};
	for (size_t i = 0; i < stats.thread_count; i++)
		histogram_add(&sum, &stats.threads[i].histogram[id]);
	return sum;
}

TEST(what_was_submitted_is_served_and_closed_once) {
	submit(JOBS);
	close_and_join(); // all that was submitted is still done
	uint64_t served = 0;
	for (size_t i = 0; i < JOBS; i++) {
		assert_int_equal(atomic_load(&jobs[i].served), 1);
		assert_int_equal(jobs[i].work.worker, jobs[i].worker); // never handed over
		assert_int_equal(atomic_load(&jobs[i].closed), 1);
		assert_int_equal(atomic_load(&jobs[i].reason), (i + 1) % CLOSE_REASON_COUNT);
		assert_in_range(atomic_load(&jobs[i].worker), 1, WORKERS);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		served += pool.workers[i].served;
		assert_int_equal(pool.workers[i].serving, 0);
	}
	assert_int_equal(served, JOBS);
	assert_int_equal(counted(COUNTER_connections_taken), JOBS);
}

TEST(it_shows_what_each_worker_does_and_for_how_long) {
	atomic_store(&held, true);
	wait_until(pool.queue.sleeping == WORKERS - 1 && pool.queue.leading);
	uint64_t begun = clock_now(), names = 0;
	submit(WORKERS + 2);
	uint64_t submitted = clock_now();
	for (unsigned i = 0; i < WORKERS; i++) {
		wait_until(pool.workers[i].serving != 0);
		wait_until(pool.workers[i].state == WORKER_BLOCKED);
		assert_true(pool.workers[i].since >= begun);
		names |= UINT64_C(1) << pool.workers[i].serving;
	}
	assert_int_equal(names, 2 + 4 + 8); // the first three, one each
	assert_int_equal(pool.queue.depth, 2);
	wait_until(counted(COUNTER_connections_taken) == WORKERS);
	wait_until(clock_now() >= submitted + 20 * NS_PER_MS);
	uint64_t released = clock_now();
	atomic_store(&held, false);
	wait_until(pool.queue.sleeping == WORKERS - 1 && pool.queue.leading);
	unsigned waiting = 0;
	for (unsigned i = 0; i < WORKERS; i++)
		waiting += pool.workers[i].state == WORKER_WAITING;
	assert_true(waiting >= WORKERS - 1); // the leader may be about to wait
	close_and_join();
	uint64_t ended = clock_now();

	struct histogram_sum wait = sum_of(HISTOGRAM_queue_wait_seconds);
	struct histogram_sum service = sum_of(HISTOGRAM_service_time_seconds);
	assert_int_equal(wait.count, WORKERS + 2);
	assert_int_equal(service.count, WORKERS + 2);
	assert_in_range(wait.max, released - submitted, ended - begun); // of the last two
	assert_in_range(service.max, 1, ended - begun);
}

TEST(a_thread_that_cannot_be_created_leaves_nothing, .setup = nothing, .teardown = nothing) {
	for (unsigned k = 0; k < WORKERS; k++) {
		creations_left = k;
		struct echod_error error = {0};
		assert_int_equal(try_start(WORKERS, CLOCK_NEVER, &error), -1);
		assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
		assert_string_equal(
			error.message,
			test_text("worker %u of %d: cannot create thread echod/work-%u: "
				  "Resource temporarily unavailable; try fewer --workers",
				  k + 1, WORKERS, k + 1));
		assert_true(threads_become(0));
		stats_close(&stats);
	}
}

TEST(without_a_descriptor_it_does_not_start, .setup = nothing, .teardown = nothing) {
	struct echod_error error = {0};
	epoll_fails = true;
	assert_int_equal(try_start(WORKERS, CLOCK_NEVER, &error), -1);
	epoll_fails = false;
	assert_string_equal(error.message, "cannot create an epoll set: Too many open files");
	assert_null(pool.workers); // its owner frees it only if there are some
	stats_close(&stats);
}

// A client that sends all the time is never quiet for long enough to be parked, but others come
// first. The time that it is parked for later is nobody's.
TEST(work_that_is_not_parked_lets_others_go_first, .setup = start_impatient) {
	const struct worker *worker = &pool.workers[0];
	uint64_t begun = worker->since;
	submit(2);
	wait_until(worker->serving == 1 && worker->state == WORKER_SERVING);
	uint64_t released = worker->since + 20 * NS_PER_MS;
	wait_until(clock_now() >= released);
	atomic_store(&held, false);
	wait_until(eager->work.state == WORK_PARKED && worker->state == WORKER_LEADING);
	assert_false(eager->work.worker || worker->serving);
	assert_int_equal(seen, WORK_QUEUED); // with no worker
	uint64_t parked = clock_now();
	wait_until(clock_now() >= parked + 50 * NS_PER_MS);
	uint64_t resumed = clock_now();
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	wait_until(atomic_load(&jobs[0].closed) && atomic_load(&jobs[1].closed));
	assert_int_equal(pool.connections, 0);
	close_and_join();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(atomic_load(&order[i]), 1 + i % 2);
	assert_true(since[1] >= released);
	assert_in_range(sum_of(HISTOGRAM_service_time_seconds).sum, 20 * NS_PER_MS,
			clock_now() - begun - (resumed - parked));
	assert_int_equal(counted(COUNTER_quantum_expiries), 2);
	assert_int_equal(counted(COUNTER_parks_reading), 2);
	assert_int_equal(counted(COUNTER_unparks), 2);
	assert_int_equal(counted(COUNTER_connections_taken), 6);
}

// Blocking has found something soon, so the leader polls. A wake-up is no hit: it takes what is
// queued.
TEST(a_leader_polls_where_that_has_helped, .setup = start_polling) {
	const struct worker *worker = &pool.workers[0];
	submit(1);
	wait_until(eager->work.state == WORK_PARKED && worker->state == WORKER_LEADING);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	wait_until(atomic_load(&jobs[0].closed) && worker->state == WORKER_POLLING);
	assert_int_equal(counted(COUNTER_spin_misses), 0);
	pool_submit(&pool, &jobs[1].work);
	wait_until(atomic_load(&jobs[1].closed) && worker->state == WORKER_LEADING);
	assert_int_equal(counted(COUNTER_spin_hits), 0);
	assert_int_equal(counted(COUNTER_spin_misses), 1);
	close_and_join();
}

// With patience it takes what is there at once, and knows that there is more; a worker that never
// lets go of its client takes one.
TEST(a_batch_is_for_those_who_let_go, .setup = nothing, .teardown = nothing) {
	static const uint64_t patience[] = {5 * NS_PER_MS, CLOCK_NEVER};
	for (size_t p = 0; p < COUNT_OF(patience); p++) {
		start_one(patience[p]);
		submit(1);
		wait_until(atomic_load(&ordered) == 1);
		for (size_t i = 1; i < 4; i++)
			pool_submit(&pool, &jobs[i].work);
		atomic_store(&held, false);
		close_and_join();
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(order[i], i + 1);
			assert_int_equal(more[i], p == 0 && (i == 1 || i == 2));
			assert_int_equal(queued[i], p == 1 && i > 0 ? 3 - i : 0);
			assert_true(i == 0 || since[i] > since[i - 1]);
		}
		after_each();
	}
}

// A CPU is left to others: polling on all of them would keep a client on this machine from its own.
TEST(it_uses_the_cpus_that_there_are_now) {
	static const struct {
		unsigned cpus, online, polling_max, dedicated_max;
	} cases[] = {{1, 1, 0, 1}, {1, 2, 1, 1}, {2, 2, 1, 1},
		     {3, 8, 2, 2}, {4, 4, 3, 3}, {16, 16, 15, WORKERS}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cpus = cases[i].cpus;
		online = cases[i].online;
		policy_follow_cpus(&pool);
		assert_int_equal(pool.queue.cpus, cases[i].cpus);
		assert_int_equal(pool.polling_max, cases[i].polling_max);
		assert_int_equal(pool.dedicated_max, cases[i].dedicated_max);
	}
	close_and_join();
}
