// Which faults befall a connection, and where: fault/plan. And when it comes back: fault/delay.
#include "expect.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "fault/delay.h"
#include "fault/plan.h"

#define MANY 10000

static struct fault_plan plan, other;

static struct fault_set set_of(const char *text) {
	struct fault_set set;
	assert_int_equal(fault_set_parse(text, &set, NULL), 0);
	return set;
}

static uint32_t make(struct fault_plan *made, const char *text, uint64_t number) {
	const struct fault_set set = set_of(text);
	return fault_plan_make(made, &set, number);
}

#define ALL "delay=1ms..9ms,p=0.5,flip=1k,p=0.5,lose=1k,p=0.5,repeat=4k,p=0.5,reset-after=4k,p=0.5"

TEST(same_seed_same_faults) {
	unsigned differ = 0;
	for (uint64_t i = 0; i < MANY; i++) {
		uint32_t kinds = make(&plan, ALL ",seed=3", i);
		assert_int_equal(make(&other, "seed=3," ALL, i), kinds);
		assert_memory_equal(&plan.set, &other.set, sizeof(plan.set));
		assert_int_equal(plan.random, other.random);
		differ += make(&other, ALL ",seed=4", i) != kinds;
	}
	assert_true(differ > MANY / 2);
	make(&plan, ALL ",seed=3", 5); // also of the next version
	assert_int_equal(fault_random(&plan, INJECT_lose, 7), UINT64_C(0xc51b0ea8901594f4));
}

// Another fault beside it changes nothing of a fault.
TEST(independent) {
	for (uint64_t i = 0; i < MANY; i++) {
		make(&plan, ALL, i);
		make(&other, "lose=1k,p=0.5", i);
		assert_int_equal(fault_in(plan.set.kinds, INJECT_lose),
				 fault_in(other.set.kinds, INJECT_lose));
		assert_int_equal(fault_stretch(&plan, INJECT_lose, i << 10),
				 fault_stretch(&other, INJECT_lose, i << 10));
	}
}

TEST(shares) {
	static const struct {
		const char *share;
		unsigned least, most;
	} rows[] = {{"0", 0, 0}, {"1", MANY, MANY}, {"10%", 900, 1100}, {"0.5", 4800, 5200}};
	for (size_t k = 0; k < COUNT_OF(rows); k++) {
		unsigned count = 0;
		for (uint64_t i = 0; i < MANY; i++)
			count += make(&plan, test_text("silent,p=%s", rows[k].share), i) != 0;
		assert_true(count >= rows[k].least && count <= rows[k].most);
	}
}

// Each block of the stream has one stretch, all of it within the block, at all its places.
TEST(stretches) {
	static const enum injection kinds[] = {INJECT_flip, INJECT_lose, INJECT_repeat};
	make(&plan, "flip=64,lose=64,repeat=64", 0);
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		uint64_t seen = 0;
		for (uint64_t block = 0; block < MANY; block++) {
			uint64_t at = fault_stretch(&plan, kinds[k], block * 64 + block % 64);
			assert_true(at >= block * 64);
			assert_true(at + fault_width(kinds[k]) <= block * 64 + 64);
			seen |= UINT64_C(1) << at % 64;
		}
		assert_int_equal(fault_width(kinds[k]), k == 0 ? 1 : FAULT_STRETCH);
		assert_int_equal(__builtin_popcountll(seen), 65 - fault_width(kinds[k]));
	}
}

TEST(delays_stay_in_order) {
	uint64_t last = 0, least = UINT64_MAX, most = 0;
	make(&plan, "delay=1ms..9ms", 0);
	for (uint64_t i = 1; i <= MANY; i++) {
		uint64_t now = i * NS_PER_S;
		assert_true(fault_mark(&plan, i, now));
		assert_false(fault_mark(&plan, i, now + 1));
		uint64_t due = plan.marks[plan.mark_count - 1].due;
		assert_true(due >= last);
		last = due;
		least = due - now < least ? due - now : least;
		most = due - now > most ? due - now : most;
	}
	assert_int_equal(plan.mark_count, FAULT_MARKS);
	assert_in_range(least, NS_PER_MS, NS_PER_MS + NS_PER_MS / 50);
	assert_in_range(most, 9 * NS_PER_MS - NS_PER_MS / 50, 9 * NS_PER_MS);
	assert_true(fault_draw_due(&plan, 0) >= last);
}

TEST(the_nearest_cut) {
	uint64_t bytes;
	make(&plan, "stall-after=9,reset-after=4,close-after=4", 0);
	assert_int_equal(fault_next_cut(&plan, &bytes), INJECT_close);
	assert_int_equal(bytes, 4);
	plan.passed = 4;
	assert_int_equal(fault_next_cut(&plan, &bytes), INJECT_close);
	assert_int_equal(bytes, 0);
	make(&plan, "silent", 0);
	assert_int_equal(fault_next_cut(&plan, &bytes), INJECTIONS);
}

// In the list of stuck work, beside work that is stuck: the list stays in order, whoever is first.
TEST(delays_among_stuck_work) {
	static struct work works[100];
	struct parking_lot lot;
	uint64_t state = 1, base = clock_now();
	assert_int_equal(parking_lot_open(&lot, CLOCK_NEVER, CLOCK_NEVER, NULL), 0);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < COUNT_OF(works); i++) {
			state = state * UINT64_C(6364136223846793005) + 1;
			uint64_t due = base + (state >> 40) * 1000; // up to 16 s
			if (state >> 63)
				timeouts_set(&lot.timeouts, &works[i], TIMEOUT_STUCK);
			else
				delay_until(&lot, &works[i], due);
			uint64_t last = 0;
			for (struct work *work = lot.timeouts.lists[TIMEOUT_STUCK].first; work;
			     work = work->timeout_next) {
				assert_true(work->due_at >= last && *work->timeout_link == work);
				last = work->due_at;
			}
			assert_true(state >> 63 || works[i].due_at <= due);
			assert_true(last < clock_now() + 2 * NS_PER_S); // else it blocks others
		}
	}
	for (size_t i = 0; i < COUNT_OF(works); i++)
		timeouts_set(&lot.timeouts, &works[i], TIMEOUT_NONE);
	assert_ptr_equal(lot.timeouts.lists[TIMEOUT_STUCK].end,
			 &lot.timeouts.lists[TIMEOUT_STUCK].first);
	parking_lot_close(&lot);
}

// What waits for a time is not told of room to send, which it has; what waits for room is.
TEST(room_is_no_event_for_a_delay) {
	struct parking_lot lot;
	struct work work = {.state = WORK_SERVED};
	struct work_list unparked = {0};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(parking_lot_open(&lot, CLOCK_NEVER, CLOCK_NEVER, NULL), 0);
	work.fd = pair[0];
	assert_true(parking_lot_park(&lot, &work, TIMEOUT_IDLE));
	for (size_t waits_for_room = 0; waits_for_room < 2; waits_for_room++) {
		atomic_store(&work.state, WORK_SERVED);
		if (waits_for_room)
			delay_for_room(&work);
		else
			delay_until(&lot, &work, clock_deadline(NS_PER_S));
		assert_true(parking_lot_park(&lot, &work, TIMEOUT_STUCK));
		parking_lot_wait(&lot, 0, false, &unparked);
		assert_int_equal(unparked.count, waits_for_room);
	}
	parking_lot_forget(&lot, &work);
	parking_lot_close(&lot);
	close(pair[0]);
	close(pair[1]);
}
