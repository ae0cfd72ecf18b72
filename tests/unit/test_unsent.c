// Unsent bytes of connections whose peers do not read: echo/turn.
#include "expect.h"

#include "echo/turn.h"

#define THREADS 4
#define ROUNDS 20000

static struct echo echo;
static struct conn conn;
static bool memory_is_short;

WRAP(void *, malloc, (size_t size)) { return memory_is_short ? NULL : __real_malloc(size); }

BEFORE_EACH {
	echo = (struct echo){.unsent_limit = 100};
	conn = (struct conn){0};
}

TEST(what_is_kept_is_a_copy_that_counts_until_it_is_dropped) {
	char bytes[] = "abcdef";
	conn.unsent.sent = 7;
	assert_true(unsent_keep(&echo, &conn, bytes + 1, 4));
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(conn.unsent.length, 4);
	assert_int_equal(conn.unsent.sent, 0);
	assert_memory_equal(conn.unsent.bytes, "bcde", 4);
	conn.unsent.sent = 3;
	assert_int_equal(echo.unsent, 4);
	for (int i = 0; i < 2; i++) { // the second time there is nothing to drop
		unsent_drop(&echo, &conn);
		assert_null(conn.unsent.bytes);
		assert_int_equal(conn.unsent.length, 0);
		assert_int_equal(conn.unsent.sent, 0);
		assert_int_equal(echo.unsent, 0);
	}
}

TEST(it_is_full_where_more_would_pass_the_limit) {
	char bytes[60] = "";
	assert_false(unsent_is_full(&echo, 100));
	assert_true(unsent_is_full(&echo, 101));
	assert_true(unsent_keep(&echo, &conn, bytes, sizeof(bytes)));
	assert_false(unsent_is_full(&echo, 40));
	assert_true(unsent_is_full(&echo, 41));
	unsent_drop(&echo, &conn);
	assert_false(unsent_is_full(&echo, 100));
	echo.unsent_limit = 0;
	assert_true(unsent_is_full(&echo, 1));
}

TEST(it_knows_the_most_there_was) {
	struct conn conns[3] = {0};
	char bytes[50] = "";
	for (size_t i = 0; i < 3; i++)
		assert_true(unsent_keep(&echo, &conns[i], bytes, 10 * (i + 1)));
	assert_int_equal(echo.unsent_max, 60);
	unsent_drop(&echo, &conns[1]);
	assert_int_equal(echo.unsent, 40);
	assert_true(unsent_keep(&echo, &conns[1], bytes, 15));
	assert_int_equal(echo.unsent_max, 60);
	for (size_t i = 0; i < 3; i++)
		unsent_drop(&echo, &conns[i]);
	assert_int_equal(echo.unsent, 0);
	assert_int_equal(echo.unsent_max, 60);
}

TEST(without_memory_nothing_is_kept) {
	memory_is_short = true;
	bool kept = unsent_keep(&echo, &conn, "abc", 3);
	memory_is_short = false;
	assert_false(kept);
	assert_null(conn.unsent.bytes);
	assert_int_equal(echo.unsent, 0);
	assert_int_equal(echo.unsent_max, 0);
}

static void *keep_and_drop(void *argument) {
	struct conn own = {0};
	const char bytes[100] = "";
	for (size_t i = 0; i < ROUNDS; i++) {
		if (!unsent_keep(&echo, &own, bytes, 1 + i % 100))
			return NULL;
		unsent_drop(&echo, &own);
	}
	return unsent_keep(&echo, &own, bytes, 100) ? own.unsent.bytes : NULL;
}

TEST(threads_lose_no_byte) {
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		threads[i] = thread_begin(keep_and_drop, NULL);
	for (size_t i = 0; i < THREADS; i++) {
		void *bytes = thread_end(threads[i]);
		assert_non_null(bytes);
		conn = (struct conn){.unsent = {.bytes = bytes, .length = 100}};
		assert_true(echo.unsent >= 100);
		unsent_drop(&echo, &conn);
	}
	assert_int_equal(echo.unsent, 0);
	assert_true(echo.unsent_max >= 100 && echo.unsent_max <= 100 * THREADS);
}

ABORTS(keep_twice) {
	unsent_keep(&echo, &conn, "abc", 3);
	unsent_keep(&echo, &conn, "abc", 3);
}

ABORTS(keep_nothing) { unsent_keep(&echo, &conn, "abc", 0); }
