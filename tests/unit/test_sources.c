// How many connections each source has: server/sources.
#include "expect.h"

#include <arpa/inet.h>
#include <sched.h>

#include "base/clock.h"
#include "peer.h"
#include "server/sources.h"

#define LIMIT 5
#define CAPACITY 200
#define NAMES 64
#define STEPS 100000

static struct sources sources;

BEFORE_EACH { assert_int_equal(sources_open(&sources, LIMIT, 64, CAPACITY, NULL), 0); }

AFTER_EACH { sources_close(&sources); }

static struct conn_origin from_address(const char *text, uint16_t port) {
	struct conn_origin v4 = {.peer.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
	struct conn_origin v6 = {.peer.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	if (inet_pton(AF_INET, text, &v4.peer.v4.sin_addr) == 1)
		return v4;
	assert_int_equal(inet_pton(AF_INET6, text, &v6.peer.v6.sin6_addr), 1);
	return v6;
}

static struct conn_origin from_user(uint32_t user) {
	return (struct conn_origin){.peer.any = {.sa_family = AF_UNIX}, .peer_user = user};
}

static bool enter(struct conn_origin origin) { return sources_enter(&sources, &origin); }

static void leave(struct conn_origin origin) { sources_leave(&sources, &origin); }

// As many as the limit get in, not one more; when one leaves, there is room for one.
static void expect_limit(struct conn_origin origin) {
	for (int i = 0; i < LIMIT; i++)
		assert_true(enter(origin));
	assert_false(enter(origin));
	assert_false(enter(origin));
	leave(origin);
	assert_true(enter(origin));
	assert_false(enter(origin));
}

TEST(each_kind_of_source_has_its_limit) {
	// The same bits in another family are another source.
	const struct conn_origin origins[] = {from_address("127.0.0.1", 1),
					      from_address("127.0.0.2", 1),
					      from_address("::1", 1),
					      from_address("0:0:0:1::1", 1),
					      from_address("7f00:1::", 1),
					      from_user(0),
					      from_user(1000),
					      from_user(htonl(INADDR_LOOPBACK))};
	for (size_t i = 0; i < COUNT_OF(origins); i++)
		expect_limit(origins[i]);
	for (size_t i = 0; i < COUNT_OF(origins); i++)
		for (int n = 0; n < LIMIT; n++)
			leave(origins[i]);
}

TEST(ports_do_not_matter) {
	for (uint16_t port = 1; port <= LIMIT + 1; port++) {
		struct conn_origin v6 = from_address("2001:db8::1", port);
		v6.peer.v6.sin6_flowinfo = port;
		assert_int_equal(enter(from_address("192.0.2.1", port)), port <= LIMIT);
		assert_int_equal(enter(v6), port <= LIMIT);
	}
}

TEST(networks_of_ipv6_are_sources) {
	static const struct {
		unsigned prefix6;
		const char *left, *right;
		bool one;
	} pairs[] = {
		{64, "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{64, "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{48, "2001:db8:0:1::1", "2001:db8:0:2::1", true},
		{48, "2001:db8:1::1", "2001:db8:2::1", false},
		{63, "2001:db8:0:2::1", "2001:db8:0:3::1", true},
		{63, "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{128, "2001:db8::1", "2001:db8::2", false},
		{127, "2001:db8::2", "2001:db8::3", true},
		{1, "2001::", "7fff::", true},
		{1, "2001::", "8001::", false},
		{64, "fe80::1", "fe80::2", false},
	};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct sources pair;
		const char *left = pairs[i].left, *right = pairs[i].right;
		const struct conn_origin one = from_address(left, 1),
					 other = from_address(right, 1);
		assert_int_equal(sources_open(&pair, 1, pairs[i].prefix6, 2, NULL), 0);
		assert_true(sources_enter(&pair, &one));
		if (sources_enter(&pair, &other) == pairs[i].one)
			fail_msg("%s and %s by /%u", left, right, pairs[i].prefix6);
		sources_close(&pair);
	}
}

TEST(neighbours_of_two_interfaces_are_two_sources) {
	struct conn_origin origin = from_address("fe80::1", 1);
	origin.peer.v6.sin6_scope_id = 1;
	expect_limit(origin);
	origin.peer.v6.sin6_scope_id = 2;
	expect_limit(origin);
}

static size_t longest_bucket(const struct sources *filled) {
	size_t longest = 0;
	for (size_t i = 0; i < filled->bucket_count; i++) {
		size_t length = 0;
		for (const struct source *at = filled->buckets[i]; at; at = at->next)
			length++;
		longest = length > longest ? length : longest;
	}
	return longest;
}

// Keys that share a bucket under one secret do not under another.
TEST(buckets_cannot_be_chosen) {
	struct sources first, second;
	assert_int_equal(sources_open(&first, 1, 64, 64, NULL), 0);
	assert_int_equal(sources_open(&second, 1, 64, 64, NULL), 0);
	unsigned found = 0;
	for (unsigned user = 0; found < 64; user++) {
		struct conn_origin origin = from_user(user);
		assert_true(sources_enter(&first, &origin));
		bool meets = first.buckets[0] && first.buckets[0]->key.word[1] == user;
		sources_leave(&first, &origin);
		if (meets)
			found += sources_enter(&second, &origin);
	}
	// By chance the longest of 64 has some five; if all used one hash, it would have all.
	assert_true(longest_bucket(&second) < 32);
	sources_close(&first);
	sources_close(&second);
}

TEST(without_a_limit_nobody_is_counted) {
	struct sources unlimited;
	assert_int_equal(sources_open(&unlimited, 0, 64, CAPACITY, NULL), 0);
	assert_null(unlimited.entries);
	struct conn_origin origin = from_user(0);
	for (int i = 0; i < 2 * CAPACITY; i++)
		assert_true(sources_enter(&unlimited, &origin));
	sources_leave(&unlimited, &origin);
	sources_close(&unlimited);
}

TEST(it_holds_as_many_sources_as_connections) {
	for (int round = 0; round < 3; round++) {
		for (uint32_t user = 0; user < CAPACITY; user++)
			assert_true(enter(from_user(user)));
		for (uint32_t user = 0; user < CAPACITY; user++)
			leave(from_user(user));
	}
}

static struct conn_origin origin_numbered(unsigned number) {
	static const char *const formats[] = {"10.0.%u.1", "2001:db8:0:%x::1"};
	char text[64];
	if (number % 3 == 2)
		return from_user(number);
	snprintf(text, sizeof(text), formats[number % 3], number);
	return from_address(text, (uint16_t)(number + 1));
}

TEST(random_comings_and_goings_agree_with_a_plain_model) {
	unsigned model[NAMES] = {0}, total = 0;
	uint64_t seed = 4;
	for (int step = 0; step < STEPS; step++) {
		unsigned number = (unsigned)pattern_number(&seed, 0, NAMES - 1);
		struct conn_origin origin = origin_numbered(number);
		// In turn, 5000 steps towards the limit and 5000 down again.
		bool enters = pattern_number(&seed, 0, 99) < (step / 5000 % 2 ? 35U : 65U);
		if (enters && total < CAPACITY) {
			bool room = model[number] < LIMIT;
			assert_int_equal(enter(origin), room);
			model[number] += room;
			total += room;
		} else if (!enters && model[number] > 0) {
			leave(origin);
			model[number]--;
			total--;
		}
	}
	size_t free = 0, distinct = 0;
	for (const struct source *source = sources.free; source; source = source->next)
		free++;
	for (size_t i = 0; i < NAMES; i++)
		distinct += model[i] > 0;
	assert_int_equal(free, CAPACITY - distinct);
}

static atomic_uint entered; // not left yet
static atomic_bool over;

static void *leave_all(void *argument) {
	while (!atomic_load(&over) || atomic_load(&entered) > 0) {
		if (atomic_load(&entered) == 0) {
			sched_yield();
			continue;
		}
		atomic_fetch_sub(&entered, 1);
		sources_leave(&sources, argument);
	}
	return NULL;
}

TEST(one_may_enter_while_another_leaves) {
	struct conn_origin origin = from_address("127.0.0.1", 1);
	pthread_t worker = thread_begin(leave_all, &origin);
	uint64_t until = clock_deadline(2 * NS_PER_S); // the turns are few on a busy machine
	for (int in = 0; in < STEPS && clock_now() < until; in++) {
		while (!enter(origin))
			sched_yield();
		atomic_fetch_add(&entered, 1);
	}
	atomic_store(&over, true);
	thread_end(worker);
	expect_limit(origin);
}

ABORTS(leaving_without_entering) { leave(from_user(1)); }

ABORTS(entering_with_one_source_too_many) {
	for (uint32_t user = 0; user <= CAPACITY; user++)
		enter(from_user(user));
}
