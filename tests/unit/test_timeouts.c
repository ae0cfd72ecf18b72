// Time-outs of parked work, in made-up time: pool/timeouts.
#include "test.h"

#include <pthread.h>

#include "base/clock.h"
#include "peer.h"
#include "pool/timeouts.h"
#include "process.h"

#define LIMIT (160 * NS_PER_MS)
#define STUCK_LIMIT (80 * NS_PER_MS)
#define SLACK(limit) ((limit)*3 / 16 + 4)
#define MANY 1000
#define RACES 20000

struct thing {
	struct work work;
	atomic_uint given; // by the leader, how often
};

static struct thing things[MANY];
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
	checks = 0;
	for (size_t i = 0; i < MANY; i++)
		things[i] = (struct thing){.work = {.state = WORK_PARKED, .active_at = now}};
	timeouts_init(&timeouts, idle_limit, stuck_limit);
}

static void begin(void) {
	begin_with(LIMIT, STUCK_LIMIT);
}

static void end(void) {
	now = 0;
	timeouts_destroy(&timeouts);
}

FIXTURE(begin, end);

static struct work *check(void) {
	struct work_list expired = {0};
	timeouts_expire(&timeouts, now, &expired);
	return expired.first;
}

// Nobody comes back.
static void check_all(void) {
	while (timeouts_deadline(&timeouts) <= now)
		assert_null(check());
}

// Looks whenever it is time to, until something has come back or it is `until`.
static struct work *wait_for_one(uint64_t until) {
	struct work *expired = NULL;
	while (!expired && timeouts_deadline(&timeouts) <= until) {
		assert_true(timeouts_deadline(&timeouts) > now); // not again at once
		now = timeouts_deadline(&timeouts);
		expired = check();
	}
	return expired;
}

static void expect_expired(struct thing *thing) {
	struct work *work = wait_for_one(now + 10 * LIMIT);
	assert_ptr_equal(work, &thing->work);
	assert_null(work->next);
	assert_true(work->expired);
	assert_int_equal(work->state, WORK_QUEUED);
	assert_int_equal(work->timeout, TIMEOUT_NONE);
	assert_true(now - thing->work.active_at >= LIMIT);
	assert_true(now - thing->work.active_at <= LIMIT + SLACK(LIMIT));
}

TEST(who_is_silent_expires_in_time) {
	uint64_t seed = 7;
	for (size_t i = 0; i < MANY; i++) {
		now += pattern_number(&seed, 0, 3 * LIMIT);
		things[i].work.active_at = now - pattern_number(&seed, 0, LIMIT / 2);
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_IDLE);
		checks = 0;
		expect_expired(&things[i]);
		assert_true(checks <= 9);
		assert_true(timeouts_deadline(&timeouts) == CLOCK_NEVER);
	}
}

TEST(who_is_active_goes_on) {
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_IDLE);
	for (int i = 0; i < 100; i++) {
		assert_null(wait_for_one(now + LIMIT - 1));
		things[0].work.active_at = now;
	}
	expect_expired(&things[0]);
}

TEST(the_first_to_fall_silent_is_the_first_to_expire) {
	for (size_t i = 0; i < 3; i++) {
		now += LIMIT / 4;
		while (timeouts_deadline(&timeouts) <= now)
			assert_null(check());
		things[i].work.active_at = now;
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_IDLE);
	}
	things[0].work.active_at = now + LIMIT / 4; // it goes on
	expect_expired(&things[1]);
	things[0].work.active_at = now;
	expect_expired(&things[2]);
	expect_expired(&things[0]);
}

// Only work that is due is checked.
TEST(a_check_costs_no_more_than_who_is_due) {
	for (size_t i = 0; i < MANY; i++) {
		things[i].work.active_at = now;
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_IDLE);
		if (i == MANY / 2)
			now += LIMIT / 16 + 1; // the next step
	}
	checks = 0;
	assert_null(check());
	assert_int_equal(checks, 0);
	now = timeouts_deadline(&timeouts);
	check_all();
	assert_int_equal(checks, MANY / 2 + 1);
	checks = 0;
	assert_null(check()); // they have gone to the end
	assert_int_equal(checks, 0);
	for (size_t i = 0; i < MANY; i++)
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_NONE);
}

TEST(many_wake_the_leader_16_times_a_limit) {
	uint64_t seed = 9;
	for (size_t i = 0; i < MANY; i++) {
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_IDLE);
		now += pattern_number(&seed, 0, LIMIT / MANY / 16);
	}
	unsigned wakes = 0;
	checks = 0;
	for (uint64_t stop = now + 2 * LIMIT; timeouts_deadline(&timeouts) < stop; wakes++) {
		now = timeouts_deadline(&timeouts);
		for (size_t i = 0; i < MANY; i++)
			things[i].work.active_at = now;
		check_all();
	}
	assert_true(wakes <= 2 * 16);
	assert_true(checks <= MANY * 2 * 9); // and each at most so often
	assert_true(checks >= MANY * 2 * 5);
	for (size_t i = 0; i < MANY; i++)
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_NONE);
}

// However many are due at once, those who are active need not wait for all of them.
TEST(one_call_checks_a_bounded_number) {
	for (int kind = TIMEOUT_IDLE; kind < TIMEOUT_KINDS; kind++) {
		size_t back = 0;
		for (size_t i = 0; i < MANY; i++) {
			things[i].work.state = WORK_PARKED;
			timeouts_set(&timeouts, &things[i].work, (enum timeout)kind);
		}
		now += 2 * LIMIT;
		while (timeouts_deadline(&timeouts) <= now) { // the leader comes again at once
			size_t before = back;
			for (const struct work *work = check(); work; work = work->next)
				back++;
			assert_true(back > before && back <= before + TIMEOUT_CHECKS);
		}
		assert_int_equal(back, MANY);
	}
}

// No event will tell of it, and its peer may be silent for as long as it likes.
TEST(who_is_polled_comes_back_ten_times_a_second) {
	for (size_t i = 0; i < MANY; i++) {
		uint64_t before = now += i;
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_POLLED);
		assert_ptr_equal(wait_for_one(now + NS_PER_S), &things[i].work);
		assert_true(now - before <= NS_PER_S / 10 && now - before >= NS_PER_S / 20);
		assert_false(things[i].work.expired);
	}
}

TEST(who_is_stuck_comes_back_at_every_check) {
	struct work *work = &things[0].work;
	uint64_t since = now;
	for (bool past = false; !past;) {
		timeouts_set(&timeouts, work, TIMEOUT_STUCK);
		uint64_t before = now;
		assert_ptr_equal(wait_for_one(now + STUCK_LIMIT), work);
		assert_true(now - before <= STUCK_LIMIT * 3 / 16 + 4);
		assert_int_equal(work->state, WORK_QUEUED);
		assert_int_equal(work->timeout, TIMEOUT_NONE);
		past = now - since >= STUCK_LIMIT;
		assert_int_equal(work->expired, past);
		atomic_store(&work->state, WORK_PARKED);
	}
	assert_true(now - since <= STUCK_LIMIT + SLACK(STUCK_LIMIT));
}

TEST(who_is_not_parked_does_not_expire) {
	static const int states[] = {WORK_QUEUED, WORK_SERVED, WORK_NOTIFIED};
	things[1].work.active_at = 0;
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		for (int kind = TIMEOUT_IDLE; kind < TIMEOUT_KINDS; kind++) {
			things[1].work.state = states[i];
			timeouts_set(&timeouts, &things[1].work, (enum timeout)kind);
			assert_null(wait_for_one(now + 3 * LIMIT));
			assert_int_equal(things[1].work.state, states[i]);
			assert_int_equal(things[1].work.timeout, kind);
			assert_false(things[1].work.expired);
		}
	}
	things[1].work.active_at = now;
	atomic_store(&things[1].work.state, WORK_PARKED);
	timeouts_set(&timeouts, &things[1].work, TIMEOUT_IDLE);
	expect_expired(&things[1]);
}

TEST(who_is_taken_out_leaves_the_others) {
	static const size_t order[] = {2, 0, 4, 1, 3}; // the middle, the first, the last, the rest
	for (size_t i = 0; i < 5; i++)
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_IDLE);
	for (size_t i = 0; i < 5; i++) {
		assert_true(timeouts_deadline(&timeouts) != CLOCK_NEVER);
		timeouts_set(&timeouts, &things[order[i]].work, TIMEOUT_NONE);
		timeouts_set(&timeouts, &things[order[i]].work, TIMEOUT_NONE);
	}
	assert_true(timeouts_deadline(&timeouts) == CLOCK_NEVER);
	for (size_t i = 0; i < 3; i++)
		timeouts_set(&timeouts, &things[i].work, TIMEOUT_IDLE);
	timeouts_set(&timeouts, &things[1].work, TIMEOUT_NONE);
	now += 2 * LIMIT;
	const struct work *expired = check();
	size_t count = 0;
	for (; expired; expired = expired->next, count++)
		assert_true(expired == &things[0].work || expired == &things[2].work);
	assert_int_equal(count, 2);
}

TEST(it_can_change_its_kind) {
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_IDLE);
	uint64_t idle = timeouts_deadline(&timeouts);
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_STUCK);
	assert_int_equal(things[0].work.timeout, TIMEOUT_STUCK);
	assert_true(timeouts_deadline(&timeouts) < idle);
	assert_null(timeouts.lists[TIMEOUT_IDLE].first);
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_IDLE);
	assert_null(timeouts.lists[TIMEOUT_STUCK].first);
	// Saying the same again leaves its place.
	idle = timeouts_deadline(&timeouts);
	now += LIMIT / 16;
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_IDLE);
	assert_true(timeouts_deadline(&timeouts) == idle);
	expect_expired(&things[0]);
}

TEST(without_a_limit_nobody_is_timed) {
	end();
	begin_with(CLOCK_NEVER, STUCK_LIMIT);
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_IDLE);
	assert_int_equal(things[0].work.timeout, TIMEOUT_NONE);
	assert_true(timeouts_deadline(&timeouts) == CLOCK_NEVER);
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_STUCK);
	assert_true(timeouts_deadline(&timeouts) < CLOCK_NEVER);
	timeouts_set(&timeouts, &things[0].work, TIMEOUT_IDLE); // out again
	assert_true(timeouts_deadline(&timeouts) == CLOCK_NEVER);
	now += 100 * LIMIT;
	assert_null(check());
}

// A send that failed for lack of memory is told of no room later.
TEST(without_a_limit_who_is_stuck_is_checked_all_the_same) {
	end();
	begin_with(CLOCK_NEVER, CLOCK_NEVER);
	struct work *work = &things[0].work;
	for (int i = 0; i < 3; i++) {
		timeouts_set(&timeouts, work, TIMEOUT_STUCK);
		assert_ptr_equal(wait_for_one(now + NS_PER_S + 4), work);
		assert_int_equal(work->state, WORK_QUEUED);
		assert_false(work->expired);
		atomic_store(&work->state, WORK_PARKED);
	}
	assert_true(timeouts_deadline(&timeouts) == CLOCK_NEVER);
}

static atomic_bool over;

static void *expire_all(void *argument) {
	while (!atomic_load(&over)) {
		struct work_list expired = {0};
		timeouts_expire(&timeouts, clock_now(), &expired);
		struct work *work = expired.first;
		while (work) {
			struct work *next = work->next;
			atomic_fetch_add(&((struct thing *)(void *)work)->given, 1);
			work = next;
		}
	}
	return NULL;
}

// An event and the time-out come at once: one of them has it, never both.
TEST(it_comes_back_once) {
	end();
	begin_with(1, CLOCK_NEVER); // 1 ns: always due
	now = 0;
	things[0].work.active_at = 0;
	atomic_store(&over, false);
	pthread_t leader;
	assert_int_equal(pthread_create(&leader, NULL, expire_all, NULL), 0);
	struct work *work = &things[0].work;
	unsigned expired = 0;
	for (unsigned i = 0; i < RACES; i++) {
		timeouts_set(&timeouts, work, TIMEOUT_IDLE);
		atomic_store(&work->state, WORK_PARKED);
		for (volatile unsigned spin = 0; spin < i % 200; spin++)
			;
		int parked = WORK_PARKED;
		if (!atomic_compare_exchange_strong(&work->state, &parked, WORK_SERVED)) {
			expired++;
			uint64_t deadline = clock_deadline(PATIENCE);
			while (atomic_load(&things[0].given) < expired && clock_now() < deadline)
				;
			assert_int_equal(work->timeout, TIMEOUT_NONE);
			assert_true(work->expired);
			work->expired = false;
			atomic_store(&work->state, WORK_SERVED);
		}
		assert_false(work->expired);
		assert_int_equal(atomic_load(&things[0].given), expired);
	}
	atomic_store(&over, true);
	pthread_join(leader, NULL);
	timeouts_set(&timeouts, work, TIMEOUT_NONE);
	assert_int_equal(things[0].given, expired);
}
