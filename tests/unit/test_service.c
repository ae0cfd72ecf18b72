// How connections end: server/service. recv fails as the test says.
#include "test.h"

#include <sys/socket.h>

#include "inside.h"
#include "peer.h"
#include "process.h"

static atomic_int recv_fault; // what the next recv of a worker's fails with; 0: none does

WRAP(ssize_t, socket_receive, (int fd, void *bytes, size_t size, int flags)) {
	int fault = gettid() == getpid() ? 0 : atomic_exchange(&recv_fault, 0);
	if (!fault)
		return __real_socket_receive(fd, bytes, size, flags);
	errno = fault;
	return -1;
}

AROUND_EACH(inside_configure, inside_end);

// All that came has been echoed, and yet the end must not be an orderly one.
TEST(an_error_of_ours_resets) {
	static const int errors[] = {ENOMEM, EBADF};
	inside->config.patience = CLOCK_NEVER;
	inside_start();
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		int client = peer_connect_served(inside_address());
		atomic_store(&recv_fault, errors[i]);
		peer_send(client, "x", 1); // the worker may wait in a recv already
		peer_expect_reset(client);
		wait_until(inside_counter(COUNTER_connections_closed_error) == i + 1);
	}
}

TEST(a_client_that_says_nothing_is_silent) {
	inside->config.idle_timeout = 30 * NS_PER_MS;
	inside_start();
	peer_expect_eof(peer_connect(inside_address()));
	wait_until(inside_counter(COUNTER_connections_closed_idle) == 1);
	peer_close(peer_connect(inside_address()));
	wait_until(inside_counter(COUNTER_connections_closed_probe) == 1);
	assert_int_equal(inside_counter(COUNTER_connections_silent), 2);
}
