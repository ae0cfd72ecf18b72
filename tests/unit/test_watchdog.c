// Who gets on, and who hangs: manager/watchdog. A server without threads shows what the test says.
#include "expect.h"

#include "manager/watchdog.h"

#define WORKERS 3

static struct server server;
static struct worker workers[WORKERS];
static struct thread_stats stats[WORKERS];
static struct watchdog watchdog;

BEFORE_EACH {
	memset(&watchdog, 0, sizeof(watchdog));
	server.config.workers = WORKERS;
	server.pool.workers = workers;
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].id = i + 1;
		workers[i].stats = &stats[i];
		atomic_store(&workers[i].state, WORKER_WAITING);
	}
	atomic_store(&server.pulse[SERVER_THREAD_ACCEPTOR].steps, 7); // it waits
	atomic_store(&server.pulse[SERVER_THREAD_STATS].steps, 0);    // there is none
	assert_null(watchdog_check(&watchdog, &server));
}

static void expect_well(void) { assert_null(watchdog_check(&watchdog, &server)); }

static void expect_stuck(const char *thread) {
	for (int i = 0; i < 2; i++) { // it stays so
		const char *stuck = watchdog_check(&watchdog, &server);
		assert_non_null(stuck);
		assert_string_equal(stuck, thread);
	}
}

static const struct may_wait {
	const char *name;
	enum worker_state state;
	bool may;
} states[] = {
	{"waiting", WORKER_WAITING, true},  {"leading", WORKER_LEADING, true},
	{"blocked", WORKER_BLOCKED, true},  {"serving", WORKER_SERVING, false},
	{"polling", WORKER_POLLING, false},
};

TEST_ROWS(a_worker_that_shows_the_same_twice, const struct may_wait *row, states) {
	atomic_store(&workers[1].state, row->state);
	counter_add(&stats[1], COUNTER_messages, 1);
	expect_well();
	if (row->may)
		expect_well();
	else
		expect_stuck("echod/work-2");
}

static void move_bytes(void) { counter_add(&stats[2], COUNTER_bytes_received, 1); }
static void move_wakeups(void) { counter_add(&stats[2], COUNTER_leader_wakeups, 1); }
static void move_turn(void) { atomic_fetch_add(&workers[2].since, 1); }

static const struct move {
	const char *name;
	void (*move)(void);
} moves[] = {{"bytes", move_bytes}, {"wakeups", move_wakeups}, {"turn", move_turn}};

TEST_ROWS(a_worker_that_gets_on, const struct move *row, moves) {
	atomic_store(&workers[2].state, WORKER_SERVING);
	for (int i = 0; i < 3; i++) {
		row->move();
		expect_well();
	}
	expect_stuck("echod/work-3");
	row->move();
	expect_well();
}

TEST(each_thread_that_does_not_wait_must_make_steps) {
	static const char *const names[] = {"echod/accept", "echod/stats", "echod/http"};
	for (size_t i = 0; i < SERVER_FIXED_THREADS; i++) {
		atomic_store(&server.pulse[i].steps, 8);
		expect_well();
		expect_stuck(names[i]);
		atomic_store(&server.pulse[i].steps, 10); // once around
		expect_well();
		expect_stuck(names[i]);
		atomic_store(&server.pulse[i].steps, 11); // waits
		expect_well();
		expect_well();
	}
}
