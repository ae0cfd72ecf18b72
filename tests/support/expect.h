// Helpers of several tests, for the main thread: aborts, threads, what is left behind, JSON.
#ifndef ECHOD_TESTS_EXPECT_H
#define ECHOD_TESTS_EXPECT_H

#include <jansson.h>
#include <pthread.h>
#include <sys/resource.h>

#include "echod/echod.h"
#include "test.h"

// Asserts that a call returned -1 and that `error`, which is then cleared, has that kind and `part`
// in its message.
#define assert_error(result, error, kind, part) \
	test_error(result, error, kind, part, __FILE__, __LINE__)
void test_error(int result, struct echod_error *error, enum echod_error_kind kind, const char *part,
		const char *file, int line);

// Fails the test unless `act`, run in a child process, ends it by SIGABRT, as ensure() does.
void expect_abort(void (*act)(void));

// ABORTS(what_is_wrong) { … } is a test whose body does that.
#define ABORTS(title)                              \
	static void title##_act(void);             \
	TEST(title) { expect_abort(title##_act); } \
	static void title##_act(void)

// Starts a thread of the test; waits for its end and returns what it has returned.
pthread_t thread_begin(void *(*run)(void *), void *argument);
void *thread_end(pthread_t thread);

// Waits for the child's end. Returns its exit status, 128 + the signal's number if one ended it.
int child_status(pid_t child);

// Whether a part of `text` matches the extended regular expression.
bool matches(const char *text, const char *pattern);

// Keeps `json` until the test ends or a thousand more are kept, and returns it; likewise the JSON
// that `text` must be.
json_t *json_keep(json_t *json);
json_t *json_from(const char *text);

// The value of an option of a socket, a number.
int socket_option(int fd, int level, int name);

// Sets the limit on the descriptors of this process. Returns what it was.
rlim_t set_descriptor_limit(rlim_t limit);

// How many descriptors this process has.
size_t open_descriptors(void);

// Waits until `count` threads named echod/… run, as one that was joined may be seen a little
// longer. Returns false if that does not happen.
bool threads_become(size_t count);

#endif
