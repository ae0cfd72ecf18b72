// Time-outs of parked work, in made-up time: pool/timeouts.
#include "expect.h"

#include "peer.h"
#include "pool/timeouts.h"
#include "process.h"

#define LIMIT (160 * NS_PER_MS)
#define STUCK_LIMIT (80 * NS_PER_MS)
#define SLACK(limit) ((limit)*3 / 16 + 4)
#define MANY 1000
#define RACES 20000

static struct work works[MANY];
static struct timeouts timeouts;
static uint64_t now; // made up; 0: the real time
static unsigned checks;

WRAP(int, clock_gettime, (clockid_t id, struct timespec *time)) {
	if (now == 0)
		return __real_clock_gettime(id, time);
	checks++; // work that goes to the end of a list again
	*time = (struct timespec){(time_t)(now / NS_PER_S), (long)(now % NS_PER_S)};
	return 0;
}

static void begin_with(uint64_t idle_limit, uint64_t stuck_limit) {
	now = 1000 * NS_PER_S;
	for (size_t i = 0; i < MANY; i++)
		works[i] = (struct work){.state = WORK_PARKED, .active_at = now};
	timeouts_init(&timeouts, idle_limit, stuck_limit);
}

BEFORE_EACH { begin_with(LIMIT, STUCK_LIMIT); }

AFTER_EACH {
	now = 0;
	timeouts_destroy(&timeouts);
}

static void set(size_t thing, int kind) {
	timeouts_set(&timeouts, &works[thing], (enum timeout)kind);
}

static void set_all(int kind) {
	for (size_t i = 0; i < MANY; i++)
		set(i, kind);
}

static uint64_t deadline(void) { return timeouts_deadline(&timeouts); }

static struct work *check(void) {
	struct work_list expired = {0};
	timeouts_expire(&timeouts, now, &expired);
	return expired.first;
}

// No work comes back.
static void check_all(void) {
	while (deadline() <= now)
		assert_null(check());
}

// Checks whenever it is time to, until something has come back or it is `until`.
static struct work *wait_for_one(uint64_t until) {
	struct work *expired = NULL;
	while (!expired && deadline() <= until) {
		assert_true(deadline() > now); // not again at once
		now = deadline();
		expired = check();
	}
	return expired;
}

static void expect_expired(const struct work *work) {
	assert_ptr_equal(wait_for_one(now + 10 * LIMIT), work);
	assert_null(work->next);
	assert_true(work->expired);
	assert_int_equal(work->state, WORK_QUEUED);
	assert_int_equal(work->timeout, TIMEOUT_NONE);
	assert_in_range(now - work->active_at, LIMIT, LIMIT + SLACK(LIMIT));
}

TEST(silent_work_expires_in_time) {
	uint64_t seed = 7;
	for (size_t i = 0; i < MANY; i++) {
		now += pattern_number(&seed, 0, 3 * LIMIT);
		works[i].active_at = now - pattern_number(&seed, 0, LIMIT / 2);
		set(i, TIMEOUT_IDLE);
		checks = 0;
		expect_expired(&works[i]);
		assert_true(checks <= 9);
		assert_true(deadline() == CLOCK_NEVER);
	}
}

TEST(active_work_goes_on) {
	set(0, TIMEOUT_IDLE);
	for (int i = 0; i < 100; i++, works[0].active_at = now)
		assert_null(wait_for_one(now + LIMIT - 1));
	expect_expired(&works[0]);
}

TEST(the_first_to_fall_silent_is_the_first_to_expire) {
	for (size_t i = 0; i < 3; i++) {
		now += LIMIT / 4;
		while (deadline() <= now)
			assert_null(check());
		works[i].active_at = now;
		set(i, TIMEOUT_IDLE);
	}
	works[0].active_at = now + LIMIT / 4; // it goes on
	expect_expired(&works[1]);
	works[0].active_at = now;
	expect_expired(&works[2]);
	expect_expired(&works[0]);
}

// Only work that is due is checked.
TEST(a_check_costs_no_more_than_what_is_due) {
	for (size_t i = 0; i < MANY; i++) {
		works[i].active_at = now;
		set(i, TIMEOUT_IDLE);
		if (i == MANY / 2)
			now += LIMIT / 16 + 1; // the next step
	}
	checks = 0;
	assert_null(check());
	assert_int_equal(checks, 0);
	now = deadline();
	check_all();
	assert_int_equal(checks, MANY / 2 + 1);
	checks = 0;
	assert_null(check()); // they have gone to the end
	assert_int_equal(checks, 0);
	set_all(TIMEOUT_NONE);
}

TEST(many_wake_the_leader_16_times_a_limit) {
	uint64_t seed = 9;
	for (size_t i = 0; i < MANY; i++) {
		set(i, TIMEOUT_IDLE);
		now += pattern_number(&seed, 0, LIMIT / MANY / 16);
	}
	unsigned wakes = 0;
	checks = 0;
	for (uint64_t stop = now + 2 * LIMIT; deadline() < stop; wakes++) {
		now = deadline();
		for (size_t i = 0; i < MANY; i++)
			works[i].active_at = now;
		check_all();
	}
	assert_true(wakes <= 2 * 16);
	assert_in_range(checks, MANY * 2 * 5, MANY * 2 * 9); // each
	set_all(TIMEOUT_NONE);
}

// However many are due at once, active connections need not wait for all of them.
TEST(one_call_checks_a_bounded_number) {
	for (int kind = TIMEOUT_IDLE; kind < TIMEOUT_KINDS; kind++) {
		size_t back = 0;
		for (size_t i = 0; i < MANY; i++) {
			works[i].state = WORK_PARKED;
			set(i, kind);
		}
		now += 2 * LIMIT;
		while (deadline() <= now) { // the leader comes again at once
			size_t before = back;
			for (const struct work *work = check(); work; work = work->next)
				back++;
			assert_true(back > before && back <= before + TIMEOUT_CHECKS);
		}
		assert_int_equal(back, MANY);
	}
}

// It has no events, and its peer may be silent for as long as it likes.
TEST(polled_work_comes_back_ten_times_a_second) {
	for (size_t i = 0; i < MANY; i++) {
		uint64_t before = now += i;
		set(i, TIMEOUT_POLLED);
		assert_ptr_equal(wait_for_one(now + NS_PER_S), &works[i]);
		assert_in_range(now - before, NS_PER_S / 20, NS_PER_S / 10);
		assert_false(works[i].expired);
	}
}

// Stuck work comes back in at most `within`; returns whether it has expired.
static bool come_back(uint64_t within) {
	set(0, TIMEOUT_STUCK);
	assert_ptr_equal(wait_for_one(now + within), &works[0]);
	assert_int_equal(works[0].state, WORK_QUEUED);
	assert_int_equal(works[0].timeout, TIMEOUT_NONE);
	atomic_store(&works[0].state, WORK_PARKED);
	return works[0].expired;
}

TEST(stuck_work_comes_back_at_every_check) {
	uint64_t since = now;
	while (!come_back(STUCK_LIMIT * 3 / 16 + 4))
		assert_true(now - since < STUCK_LIMIT);
	assert_in_range(now - since, STUCK_LIMIT, STUCK_LIMIT + SLACK(STUCK_LIMIT));
}

TEST(work_that_is_not_parked_does_not_expire) {
	static const int states[] = {WORK_QUEUED, WORK_SERVED, WORK_NOTIFIED};
	works[1].active_at = 0;
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		for (int kind = TIMEOUT_IDLE; kind < TIMEOUT_KINDS; kind++) {
			works[1].state = states[i];
			set(1, kind);
			assert_null(wait_for_one(now + 3 * LIMIT));
			// What is served looks again before it is parked.
			assert_int_equal(works[1].state,
					 states[i] == WORK_SERVED ? WORK_NOTIFIED : states[i]);
			assert_int_equal(works[1].timeout, kind);
			assert_false(works[1].expired);
		}
	}
	works[1].active_at = now;
	atomic_store(&works[1].state, WORK_PARKED);
	set(1, TIMEOUT_IDLE);
	expect_expired(&works[1]);
}

TEST(work_that_is_taken_out_leaves_the_others) {
	static const size_t order[] = {2, 0, 4, 1, 3}; // the middle, the first, the last, the rest
	for (size_t i = 0; i < 5; i++)
		set(i, TIMEOUT_IDLE);
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		assert_true(deadline() != CLOCK_NEVER);
		set(order[i], TIMEOUT_NONE);
		set(order[i], TIMEOUT_NONE);
	}
	assert_true(deadline() == CLOCK_NEVER);
	for (size_t i = 0; i < 3; i++)
		set(i, TIMEOUT_IDLE);
	set(1, TIMEOUT_NONE);
	now += 2 * LIMIT;
	const struct work *expired = check();
	assert_ptr_equal(expired, &works[0]);
	assert_ptr_equal(expired->next, &works[2]);
	assert_null(expired->next->next);
}

// Its list was empty: the leader may sleep for longer.
TEST(it_says_which_is_the_first) {
	for (int kind = TIMEOUT_IDLE; kind < TIMEOUT_KINDS; kind++) {
		assert_true(timeouts_change(&timeouts, &works[0], (enum timeout)kind));
		assert_false(timeouts_change(&timeouts, &works[1], (enum timeout)kind));
		assert_false(timeouts_change(&timeouts, &works[0], TIMEOUT_NONE));
		assert_false(timeouts_change(&timeouts, &works[1], TIMEOUT_NONE));
	}
}

// At its limit, not after it.
TEST(it_expires_at_its_limit) {
	set(0, TIMEOUT_IDLE);
	now = deadline();
	works[0].active_at = now - LIMIT + 1;
	assert_null(check());
	now = deadline();
	works[0].active_at = now - LIMIT;
	assert_ptr_equal(check(), &works[0]);
}

TEST(it_can_change_its_kind) {
	set(0, TIMEOUT_IDLE);
	uint64_t idle = deadline();
	set(0, TIMEOUT_STUCK);
	assert_int_equal(works[0].timeout, TIMEOUT_STUCK);
	assert_true(deadline() < idle);
	assert_null(timeouts.lists[TIMEOUT_IDLE].first);
	set(0, TIMEOUT_IDLE);
	assert_null(timeouts.lists[TIMEOUT_STUCK].first);
	// Saying the same again leaves its place.
	idle = deadline();
	now += LIMIT / 16;
	set(0, TIMEOUT_IDLE);
	set(1, TIMEOUT_POLLED); // later
	assert_true(deadline() == idle);
	set(1, TIMEOUT_NONE);
	expect_expired(&works[0]);
}

TEST(without_a_limit_no_work_is_timed) {
	after_each();
	begin_with(CLOCK_NEVER, STUCK_LIMIT);
	set(0, TIMEOUT_IDLE);
	assert_int_equal(works[0].timeout, TIMEOUT_NONE);
	assert_true(deadline() == CLOCK_NEVER);
	set(0, TIMEOUT_STUCK);
	assert_true(deadline() < CLOCK_NEVER);
	set(0, TIMEOUT_IDLE); // out again
	assert_true(deadline() == CLOCK_NEVER);
	now += 100 * LIMIT;
	assert_null(check());
}

// After a send that failed for lack of memory there is no event when there is room.
TEST(without_a_limit_stuck_work_is_checked_all_the_same) {
	after_each();
	begin_with(CLOCK_NEVER, CLOCK_NEVER);
	for (int i = 0; i < 3; i++)
		assert_false(come_back(NS_PER_S + 4));
	assert_true(deadline() == CLOCK_NEVER);
}

static atomic_bool over;
static atomic_uint given; // back by the leader, how often

static void *expire_all(void *argument) {
	while (!atomic_load(&over)) {
		struct work_list expired = {0};
		timeouts_expire(&timeouts, clock_now(), &expired);
		atomic_fetch_add(&given, expired.count);
	}
	return NULL;
}

// The leader has taken the work, `times` in all.
static void expect_given(unsigned times) {
	yield_until(atomic_load(&given) >= times);
	assert_int_equal(works[0].timeout, TIMEOUT_NONE);
	assert_true(works[0].expired);
	works[0].expired = false;
	atomic_store(&works[0].state, WORK_SERVED);
}

// An event and the time-out come at once: one of them has it, never both.
TEST(it_comes_back_once) {
	after_each();
	begin_with(1, CLOCK_NEVER); // 1 ns: always due
	now = 0;
	works[0].active_at = 0;
	pthread_t leader = thread_begin(expire_all, NULL);
	unsigned expired = 0;
	for (unsigned i = 0; i < RACES; i++) {
		set(0, TIMEOUT_IDLE);
		atomic_store(&works[0].state, WORK_PARKED);
		for (volatile unsigned spin = 0; spin < i % 200; spin++)
			;
		int parked = WORK_PARKED;
		if (!atomic_compare_exchange_strong(&works[0].state, &parked, WORK_SERVED))
			expect_given(++expired);
		assert_false(works[0].expired);
		assert_int_equal(atomic_load(&given), expired);
	}
	atomic_store(&over, true);
	thread_end(leader);
	set(0, TIMEOUT_NONE);
	assert_int_equal(given, expired);
}
