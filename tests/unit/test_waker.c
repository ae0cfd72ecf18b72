// Waking a thread that polls: net/waker.
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include "net/waker.h"

#define THREADS 4
#define PATIENCE_MS 10000

static int is_readable(const struct waker *waker, int timeout_ms) {
	struct pollfd entry = {.fd = waker->fd, .events = POLLIN};
	return poll(&entry, 1, timeout_ms);
}

TEST(readable_from_wake_to_clear) {
	struct waker waker;
	assert_int_equal(waker_open(&waker, NULL), 0);
	assert_int_equal(is_readable(&waker, 0), 0);
	waker_clear(&waker); // nothing pending: must not wait
	waker_wake(&waker);
	waker_wake(&waker);
	assert_int_equal(is_readable(&waker, 0), 1);
	waker_clear(&waker);
	assert_int_equal(is_readable(&waker, 0), 0);
	waker_close(&waker);
}

TEST(is_closed_on_exec_and_once) {
	struct waker waker;
	assert_int_equal(waker_open(&waker, NULL), 0);
	int fd = waker.fd;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	waker_close(&waker);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(waker.fd, -1);
	waker_close(&waker);
	waker = WAKER_NONE;
	waker_close(&waker);
}

TEST(a_full_counter_still_wakes) {
	struct waker waker;
	assert_int_equal(waker_open(&waker, NULL), 0);
	uint64_t most = UINT64_MAX - 1;
	assert_int_equal(write(waker.fd, &most, sizeof(most)), sizeof(most));
	waker_wake(&waker);
	assert_int_equal(is_readable(&waker, 0), 1);
	waker_clear(&waker);
	assert_int_equal(is_readable(&waker, 0), 0);
	waker_close(&waker);
}

static void *wake_often(void *waker) {
	for (int i = 0; i < 1000; i++)
		waker_wake(waker);
	return NULL;
}

TEST(any_thread_wakes) {
	struct waker waker;
	pthread_t threads[THREADS];
	assert_int_equal(waker_open(&waker, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wake_often, &waker), 0);
	assert_int_equal(is_readable(&waker, PATIENCE_MS), 1);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	waker_clear(&waker);
	assert_int_equal(is_readable(&waker, 0), 0);
	waker_close(&waker);
}

TEST(without_descriptors_it_says_so) {
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct waker waker;
	struct echod_error error = {0};
	int result = waker_open(&waker, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, -1);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
	assert_string_equal(error.message, "cannot create an eventfd: Too many open files");
}
