// The heap of timers: tools/echoload/load/timers, beside a plain list that is searched.
#include "test.h"

#include "echoload/common/random.h"
#include "echoload/load/timers.h"

#define TIMERS 64
#define STEPS 20000
#define SEEDS 20

static struct timers timers;
static struct timer timer[TIMERS];
static uint64_t at[TIMERS]; // when each is due, known without the heap; CLOCK_NEVER: it is not set

BEFORE_EACH {
	for (size_t i = 0; i < TIMERS; i++) {
		timer[i] = (struct timer){.place = TIMER_UNSET};
		at[i] = CLOCK_NEVER;
	}
	timers = (struct timers){.heap = calloc(TIMERS, sizeof(struct timer *))};
	assert_non_null(timers.heap);
}

AFTER_EACH { free(timers.heap); }

static size_t below(struct random *random, size_t limit) {
	return (size_t)(random_next(random) % limit);
}

static uint64_t first_due(void) {
	uint64_t first = CLOCK_NEVER;
	for (size_t i = 0; i < TIMERS; i++)
		first = at[i] < first ? at[i] : first;
	return first;
}

static void assert_is_heap(void) {
	size_t count = 0;
	for (size_t i = 0; i < TIMERS; i++) {
		if (at[i] == CLOCK_NEVER) {
			assert_true(timer[i].place == TIMER_UNSET);
			continue;
		}
		count++;
		assert_true(timer[i].place < timers.count);
		assert_ptr_equal(timers.heap[timer[i].place], &timer[i]);
		assert_int_equal(timer[i].at, at[i]);
	}
	assert_int_equal(timers.count, count);
	for (size_t place = 1; place < timers.count; place++)
		assert_true(timers.heap[(place - 1) / 2]->at <= timers.heap[place]->at);
}

static void take_and_compare(uint64_t now) {
	uint64_t first = first_due();
	const struct timer *taken = timers_take(&timers, now);
	if (first > now) {
		assert_null(taken);
		return;
	}
	assert_non_null(taken);
	assert_int_equal(at[taken - timer], first);
	at[taken - timer] = CLOCK_NEVER;
}

static void step(struct random *random) {
	size_t i = below(random, TIMERS);
	uint64_t when = below(random, 200); // so that many are due at the same time
	switch (below(random, 4)) {
	case 0:
		timers_unset(&timers, &timer[i]);
		at[i] = CLOCK_NEVER;
		break;
	case 1:
		take_and_compare(when);
		break;
	default:
		timers_set(&timers, &timer[i], when);
		at[i] = when;
		break;
	}
}

TEST(it_agrees_with_a_list) {
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct random random = {.state = seed};
		for (int i = 0; i < STEPS; i++) {
			step(&random);
			assert_int_equal(timers_next(&timers), first_due());
			if (i % 16 == 0)
				assert_is_heap();
		}
	}
}
