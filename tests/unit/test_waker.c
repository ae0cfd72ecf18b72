// Waking a thread that polls: net/waker.
#include "expect.h"

#include <fcntl.h>
#include <poll.h>

#include "net/waker.h"

static struct waker waker;

BEFORE_EACH { assert_int_equal(waker_open(&waker, NULL), 0); }

AFTER_EACH { waker_close(&waker); }

static int is_readable(void) {
	return poll(&(struct pollfd){.fd = waker.fd, .events = POLLIN}, 1, 0);
}

TEST(readable_from_wake_to_clear) {
	uint64_t most = UINT64_MAX - 1;
	assert_int_equal(is_readable(), 0);
	waker_clear(&waker); // nothing to clear: must not wait
	waker_wake(&waker);
	waker_wake(&waker);
	assert_int_equal(is_readable(), 1);
	waker_clear(&waker);
	assert_int_equal(is_readable(), 0);
	// A full counter wakes too.
	assert_int_equal(write(waker.fd, &most, sizeof(most)), sizeof(most));
	waker_wake(&waker);
	assert_int_equal(is_readable(), 1);
	waker_clear(&waker);
	assert_int_equal(is_readable(), 0);
}

TEST(is_closed_on_exec_and_once) {
	int fd = waker.fd;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	waker_close(&waker);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(waker.fd, -1);
	waker_close(&waker);
	waker = WAKER_NONE;
	waker_close(&waker);
}

TEST(without_descriptors_it_says_so) {
	struct waker none;
	struct echod_error error = {0};
	rlim_t limit = set_descriptor_limit(0);
	int result = waker_open(&none, &error);
	set_descriptor_limit(limit);
	assert_string_equal(error.message, "cannot create an eventfd: Too many open files");
	assert_error(result, &error, ECHOD_ERROR_SYSTEM, "");
}
