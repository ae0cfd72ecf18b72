// That wrapping works at all, under the flags of this build: tests that replace recv and send
// stand on it. The sizes are known to _FORTIFY_SOURCE.
#include "test.h"

#include <sys/socket.h>

static int calls;

WRAP(ssize_t, recv, (int fd, void *buffer, size_t length, int flags)) {
	calls++;
	return __real_recv(fd, buffer, length > 1 ? 1 : length, flags);
}

WRAP(ssize_t, send, (int fd, const void *buffer, size_t length, int flags)) {
	calls++;
	errno = EPIPE;
	return -1;
}

TEST(recv_is_ours_and_the_real_one_is_there) {
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[0], "abc", 3), 3);
	char buffer[16];
	volatile size_t length = sizeof(buffer); // so that the check is left to run time
	assert_int_equal(recv(pair[1], buffer, length, 0), 1);
	assert_int_equal(buffer[0], 'a');
	assert_int_equal(recv(pair[1], buffer, sizeof(buffer), 0), 1);
	assert_int_equal(calls, 2);
	close(pair[0]);
	close(pair[1]);
}

TEST(send_is_ours) {
	calls = 0;
	assert_int_equal(send(STDOUT_FILENO, "abc", 3, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(calls, 1);
}
