// How many connections each source has: server/sources.
#include "expect.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "peer.h"
#include "server/sources.h"

#define LIMIT 5
#define CAPACITY 200
#define NAMES 64
#define STEPS 100000

static struct sources sources;

static void open_sources(void) {
	assert_int_equal(sources_open(&sources, LIMIT, 64, CAPACITY, NULL), 0);
}

static void close_sources(void) {
	sources_close(&sources);
}

FIXTURE(open_sources, close_sources);

static struct conn_origin from_v4(const char *address, uint16_t port) {
	struct conn_origin origin = {.peer.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
	assert_int_equal(inet_pton(AF_INET, address, &origin.peer.v4.sin_addr), 1);
	return origin;
}

static struct conn_origin from_v6(const char *address, uint16_t port) {
	struct conn_origin origin = {
		.peer.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	assert_int_equal(inet_pton(AF_INET6, address, &origin.peer.v6.sin6_addr), 1);
	return origin;
}

static struct conn_origin from_user(uint32_t user) {
	return (struct conn_origin){.peer.any = {.sa_family = AF_UNIX}, .peer_user = user};
}

// As many as the limit get in, not one more; who leaves makes room.
static void expect_limit(const struct conn_origin *origin) {
	for (int i = 0; i < LIMIT; i++)
		assert_true(sources_enter(&sources, origin));
	assert_false(sources_enter(&sources, origin));
	assert_false(sources_enter(&sources, origin));
	sources_leave(&sources, origin);
	assert_true(sources_enter(&sources, origin));
	assert_false(sources_enter(&sources, origin));
}

TEST(each_kind_of_source_has_its_limit) {
	// The same bits in another family are another source.
	const struct conn_origin origins[] = {
		from_v4("127.0.0.1", 1), from_v4("127.0.0.2", 1),
		from_v6("::1", 1),	 from_v6("0:0:0:1::1", 1),
		from_v6("7f00:1::", 1),	 from_user(0),
		from_user(1000),	 from_user(htonl(INADDR_LOOPBACK)),
	};
	for (size_t i = 0; i < COUNT_OF(origins); i++)
		expect_limit(&origins[i]);
	for (size_t i = 0; i < COUNT_OF(origins); i++) {
		for (int n = 0; n < LIMIT; n++)
			sources_leave(&sources, &origins[i]);
	}
}

TEST(ports_do_not_matter) {
	for (uint16_t port = 1; port <= LIMIT; port++) {
		struct conn_origin v4 = from_v4("192.0.2.1", port);
		struct conn_origin v6 = from_v6("2001:db8::1", port);
		v6.peer.v6.sin6_flowinfo = port;
		assert_true(sources_enter(&sources, &v4));
		assert_true(sources_enter(&sources, &v6));
	}
	struct conn_origin v4 = from_v4("192.0.2.1", 1000);
	struct conn_origin v6 = from_v6("2001:db8::1", 1000);
	assert_false(sources_enter(&sources, &v4));
	assert_false(sources_enter(&sources, &v6));
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
		assert_int_equal(sources_open(&pair, 1, pairs[i].prefix6, 2, NULL), 0);
		struct conn_origin left = from_v6(pairs[i].left, 1);
		struct conn_origin right = from_v6(pairs[i].right, 1);
		assert_true(sources_enter(&pair, &left));
		if (sources_enter(&pair, &right) == pairs[i].one)
			fail_msg("%s and %s by /%u", pairs[i].left, pairs[i].right,
				 pairs[i].prefix6);
		sources_close(&pair);
	}
}

// The same address at two interfaces is of two neighbours.
TEST(neighbours_are_told_apart_by_their_interface) {
	struct conn_origin here = from_v6("fe80::1", 1);
	struct conn_origin there = here;
	here.peer.v6.sin6_scope_id = 1;
	there.peer.v6.sin6_scope_id = 2;
	expect_limit(&here);
	expect_limit(&there);
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

// Keys that meet in one bucket under one secret do not under another.
TEST(buckets_cannot_be_chosen) {
	struct sources first;
	struct sources second;
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
	// By chance there are some five in the longest of 64; all of them where all use one hash.
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
		for (uint32_t user = 0; user < CAPACITY; user++) {
			struct conn_origin origin = from_user(user);
			assert_true(sources_enter(&sources, &origin));
		}
		for (uint32_t user = 0; user < CAPACITY; user++) {
			struct conn_origin origin = from_user(user);
			sources_leave(&sources, &origin);
		}
	}
}

static struct conn_origin origin_numbered(unsigned number) {
	char text[64];
	switch (number % 3) {
	case 0:
		snprintf(text, sizeof(text), "10.0.%u.1", number);
		return from_v4(text, (uint16_t)(number + 1));
	case 1:
		snprintf(text, sizeof(text), "2001:db8:0:%x::1", number);
		return from_v6(text, (uint16_t)(number + 1));
	default:
		return from_user(number);
	}
}

TEST(random_comings_and_goings_agree_with_a_plain_model) {
	unsigned model[NAMES] = {0};
	unsigned total = 0;
	uint64_t seed = 4;
	for (int step = 0; step < STEPS; step++) {
		unsigned number = (unsigned)pattern_number(&seed, 0, NAMES - 1);
		struct conn_origin origin = origin_numbered(number);
		// Long climbs to the limit, long ways down.
		bool enters = pattern_number(&seed, 0, 99) < (step / 5000 % 2 ? 35U : 65U);
		if (enters && total < CAPACITY) {
			bool room = model[number] < LIMIT;
			assert_int_equal(sources_enter(&sources, &origin), room);
			model[number] += room;
			total += room;
		} else if (!enters && model[number] > 0) {
			sources_leave(&sources, &origin);
			model[number]--;
			total--;
		}
	}
	size_t free = 0;
	size_t distinct = 0;
	for (const struct source *source = sources.free; source; source = source->next)
		free++;
	for (size_t i = 0; i < NAMES; i++)
		distinct += model[i] > 0;
	assert_int_equal(free, CAPACITY - distinct);
}

static atomic_uint entered; // not left yet

static void *leave_all(void *argument) {
	const struct conn_origin *origin = argument;
	for (int left = 0; left < STEPS;) {
		if (atomic_load(&entered) == 0) {
			sched_yield();
			continue;
		}
		atomic_fetch_sub(&entered, 1);
		sources_leave(&sources, origin);
		left++;
	}
	return NULL;
}

TEST(one_may_enter_while_another_leaves) {
	struct conn_origin origin = from_v4("127.0.0.1", 1);
	pthread_t worker;
	assert_int_equal(pthread_create(&worker, NULL, leave_all, &origin), 0);
	for (int in = 0; in < STEPS;) {
		if (sources_enter(&sources, &origin)) {
			atomic_fetch_add(&entered, 1);
			in++;
		} else {
			sched_yield();
		}
	}
	pthread_join(worker, NULL);
	expect_limit(&origin);
}

static void leave_without_entering(void *argument) {
	struct conn_origin origin = from_user(1);
	sources_leave(&sources, &origin);
}

static void enter_one_source_too_many(void *argument) {
	for (uint32_t user = 0; user <= CAPACITY; user++) {
		struct conn_origin origin = from_user(user);
		sources_enter(&sources, &origin);
	}
}

TEST(misuse_aborts) {
	expect_abort(leave_without_entering, NULL);
	expect_abort(enter_one_source_too_many, NULL);
}
