// A test is TEST(name) { … } in a file test_FILE.c and registers itself. A program has the tests of
// several files: `PROGRAM FILE [PREFIX…]` runs those of one in their order, `PROGRAM` lists all.
// The assertions are cmocka's. One thread: only the test's own thread may fail it.
#ifndef ECHOD_TESTS_TEST_H
#define ECHOD_TESTS_TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// The strings, and NULL after them.
#define STRINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

// Asserts that `whole` contains `part`.
#define assert_contains(whole, part) test_contains(whole, part, __FILE__, __LINE__)
void test_contains(const char *whole, const char *part, const char *file, int line);

// TEST(name, .setup = f, .teardown = f, .with = {"a", "b"}): only the name is required.
struct test {
	const char *file, *name;
	void (*run)(void); // both NULL: a fixture
	void (*run_row)(const void *row);
	void (*setup)(void), (*teardown)(void); // of this test, in place of the file's
	const char *with[8];			// it runs once with each: test_with()
	const void *rows; // it runs once with each; a row begins with its name, a string
	size_t row_count, row_size;
	bool once;
	struct test *next;
};

#define TEST(...) TEST_(__VA_ARGS__, )
#define TEST_(title, ...)                                                      \
	static void title##_test(void);                                        \
	TEST_REGISTER(title, .name = #title, .run = title##_test, __VA_ARGS__) \
	static void title##_test(void)

// TEST_ROWS(name, const struct scene *scene, scenes) { … } runs once for each row of the array.
#define TEST_ROWS(...) TEST_ROWS_(__VA_ARGS__, )
#define TEST_ROWS_(title, row, table, ...)                                                       \
	static void title##_test(row);                                                           \
	static void title##_row(const void *any) { title##_test(any); }                          \
	TEST_REGISTER(title, .name = #title, .run_row = title##_row, .rows = (table),            \
		      .row_count = COUNT_OF(table), .row_size = sizeof((table)[0]), __VA_ARGS__) \
	static void title##_test(row)

// BEFORE_EACH { … } and AFTER_EACH { … } run before and after each test of the file, and can be
// called: before_each(). BEFORE_ALL and AFTER_ALL run before the first and after the last; with an
// AFTER_ALL nothing is cleaned up until then.
#define BEFORE_EACH TEST_FIXTURE(before_each, .setup = before_each)
#define AFTER_EACH TEST_FIXTURE(after_each, .teardown = after_each)
#define BEFORE_ALL TEST_FIXTURE(before_all, .once = true, .setup = before_all)
#define AFTER_ALL TEST_FIXTURE(after_all, .once = true, .teardown = after_all)
#define TEST_FIXTURE(function, ...)          \
	static void function(void);          \
	TEST_REGISTER(function, __VA_ARGS__) \
	static void function(void)

// The same with functions of a helper; either may be NULL.
#define AROUND_EACH(begin, end)                                         \
	TEST_REGISTER(around_each, .setup = (begin), .teardown = (end)) \
	struct test
#define AROUND_ALL(begin, end)                                                       \
	TEST_REGISTER(around_all, .once = true, .setup = (begin), .teardown = (end)) \
	struct test

#define TEST_REGISTER(title, ...)                                           \
	__attribute__((constructor)) static void title##_register(void) {   \
		static struct test entry = {.file = __FILE__, __VA_ARGS__}; \
		test_register(&entry);                                      \
	}
void test_register(struct test *test);

// Where libc has functions of other names for times and sizes of 64 bits, as on armhf, those are
// wrapped (tests/unit/CMakeLists.txt).
#if __SIZEOF_LONG__ == 4
#define PRAGMA(text) _Pragma(#text)
#define WRAP_AS(name, other)                                  \
	PRAGMA(redefine_extname __real_##name __real_##other) \
	PRAGMA(redefine_extname __wrap_##name __wrap_##other)
WRAP_AS(clock_gettime, __clock_gettime64)
WRAP_AS(fopen, fopen64)
WRAP_AS(getsockopt, __getsockopt64)
WRAP_AS(ioctl, __ioctl_time64)
WRAP_AS(lstat, __lstat64_time64)
#endif

// WRAP(int, close, (int fd)) { … } replaces a function that the linker wraps; __real_close is the
// original.
#define WRAP(type, name, parameters)   \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters

// For modules of tests/support: runs `function` after each test, lower ranks first.
#define CLEANUP(function, rank)                                                           \
	__attribute__((constructor(200 + (rank)))) static void function##_cleanup(void) { \
		test_cleanup(function);                                                   \
	}
void test_cleanup(void (*function)(void));

// The value of `with` that the running test has, or the name of its row; NULL: neither.
const char *test_with(void);

// Text by a format and its values, or what `print` writes, valid until the test ends; memory that
// is freed then.
const char *test_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *test_output(void (*print)(FILE *file));
void *test_keep(void *memory);

// Cleans up before the end of the test.
void test_clean_up(void);

#endif
