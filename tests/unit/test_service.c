// How long a worker waits for a connection, and how it ends: server/service. recv fails as the test
// says.
#include "test.h"

#include <sys/socket.h>

#include "inside.h"
#include "peer.h"
#include "place.h"
#include "process.h"

static atomic_int recv_fault; // what the next recv of a worker's fails with; 0: none does
static _Atomic uint64_t sent; // the bytes that counted as sent when it failed

WRAP(ssize_t, socket_receive, (int fd, void *bytes, size_t size, int flags)) {
	bool may_fail = gettid() != getpid() && !(flags & MSG_PEEK);
	int fault = may_fail ? atomic_exchange(&recv_fault, 0) : 0;
	if (!fault)
		return __real_socket_receive(fd, bytes, size, flags);
	struct snapshot now;
	stats_sum(&inside->server.stats, 2, &now);
	atomic_store(&sent, now.counter[COUNTER_bytes_sent]);
	errno = fault;
	return -1;
}

static int socket_error; // that SO_ERROR tells; 0: the kernel's

WRAP(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *size)) {
	int result = __real_getsockopt(fd, level, option, value, size);
	if (option == SO_ERROR && socket_error)
		*(int *)value = socket_error;
	return result;
}

static _Atomic uint64_t in_ledger; // when the last connection left the table

WRAP(void, conn_table_remove, (struct conn_table * table, struct conn *conn)) {
	in_ledger = ledger_total(&inside->server.ledger);
	__real_conn_table_remove(table, conn);
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

// More than a segment is not acknowledged; over AF_UNIX a reset says that bytes were not read; a
// byte has come that nobody has read here.
TEST(a_reset_that_may_cost_bytes_is_no_harmless_one) {
	static const char bytes[200000];
	const int small = 4096;
	inside->config.patience = 0;
	inside_listen("127.0.0.1:0");
	inside_listen(place_address("s"));
	inside_start();
	for (size_t i = 0; i < 2; i++) {
		int client = peer_connect(inside->server.names[i]);
		setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		peer_send(client, bytes, i ? 100 : sizeof(bytes));
		wait_until(inside_counter(COUNTER_bytes_sent) == sizeof(bytes) + i * 100);
		peer_reset(client);
		wait_until(inside_counter(COUNTER_connections_closed_reset) == i + 1);
	}
	peer_reset(peer_connect_served(inside_address()));
	wait_until(inside_counter(COUNTER_connections_closed_reset_ok) == 1);
	int client = peer_connect_served(inside_address());
	wait_until(inside_gauge(GAUGE_connections_parked) == 1);
	atomic_store(&recv_fault, ECONNRESET);
	peer_send(client, "x", 1);
	wait_until(inside_counter(COUNTER_connections_closed_reset) == 3);
	peer_reset(client);
}

// A list that has the open ones first, and then the ledger, has every one.
TEST(an_end_is_in_the_ledger_before_it_leaves_the_table) {
	inside_start();
	peer_visit(inside_address());
	wait_until(inside_counter(COUNTER_connections_closed_peer) == 1);
	assert_int_equal(in_ledger, 1);
}

static void start_faulty(const char *faults) {
	struct listen *listen = &inside->config.listen[0];
	listen->is_faulty = true;
	assert_int_equal(fault_set_parse(faults, &listen->faults, NULL), 0);
	inside_start();
}

// A faulty connection answers first, and receives then: no byte counts as sent alone.
TEST(what_is_answered_was_received) {
	start_faulty("close-after=2");
	int client = peer_connect(inside_address());
	atomic_store(&recv_fault, ECONNRESET);
	peer_send(client, "x", 1);
	wait_until(inside_counter(COUNTER_connections_closed_reset) == 1);
	assert_int_equal(sent, 0);
	assert_int_equal(inside_counter(COUNTER_bytes_sent), 1);
	assert_int_equal(inside_counter(COUNTER_bytes_received), 1);
	close(client);
}

// That the server ends it for a fault does not hide that the peer had ended it.
TEST(a_spoilt_one_has_the_end_of_its_peer) {
	struct ledger_entry entry;
	uint64_t next = 0;
	start_faulty("flip=1k");
	int client = peer_connect(inside_address());
	peer_send(client, (char[1024]){0}, 1024);
	peer_half_close(client);
	wait_until(inside_counter(COUNTER_connections_closed_fault) == 1);
	assert_int_equal(ledger_copy(&inside->server.ledger, &next, &entry, 1), 1);
	assert_int_equal(entry.peer_end, LEDGER_END_FIN);
	assert_string_equal(entry.faults.last, "flip");
	close(client);
}

// A connection on which nothing is read ends for the reason that the kernel has.
TEST(a_stalled_one_may_vanish) {
	static const int errors[] = {0, ETIMEDOUT, EHOSTUNREACH};
	start_faulty("stall-after=0");
	for (uint64_t i = 0; i < COUNT_OF(errors); i++) {
		socket_error = errors[i];
		int client = peer_connect(inside_address());
		peer_send(client, "x", 1);
		wait_until(inside_counter(COUNTER_faults_injected_stall) == i + 1);
		peer_reset(client);
		wait_until(inside_counter(COUNTER_connections_closed_timeout) == i &&
			   inside_counter(COUNTER_connections_silent) == i + 1);
	}
	socket_error = 0;
	assert_int_equal(inside_counter(COUNTER_connections_closed_probe), 1);
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

static struct conn_origin origin_of(size_t slot) {
	struct conn_info info;
	assert_int_equal(conn_table_copy(&inside->server.conns, &slot, &info, 1), 1);
	return info.origin;
}

static const struct wait {
	const char *name;
	uint64_t patience, idle_timeout;
	time_t seconds; // in which a receive ends
} waits[] = {
	{"patience", 2 * NS_PER_S, 3 * NS_PER_S, 2},
	{"idle time-out", 3 * NS_PER_S, 2 * NS_PER_S, 2},
	{"only an idle time-out", CLOCK_NEVER, 3 * NS_PER_S, 3},
	{"none", CLOCK_NEVER, CLOCK_NEVER, 0},
	{"does not wait", 0, 3 * NS_PER_S, 0},
};

// Sockets of TCP inherit it, those of the Unix domain do not.
TEST_ROWS(a_receive_waits_for_so_long, const struct wait *wait, waits) {
	inside->config.patience = wait->patience;
	inside->config.idle_timeout = wait->idle_timeout;
	inside_listen("127.0.0.1:0");
	inside_listen(place_address("s"));
	inside_start();
	int clients[2];
	for (size_t i = 0; i < 2; i++) {
		struct timeval limit = {.tv_sec = -1};
		socklen_t size = sizeof(limit);
		clients[i] = peer_connect_served(inside->server.names[i]);
		int fd = origin_of(i).fd;
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size), 0);
		assert_int_equal(limit.tv_sec, wait->seconds);
		assert_int_equal(limit.tv_usec, 0);
	}
	peer_close_all(clients, 2);
}

// Also where the listener's address stands for several.
TEST(our_end_is_the_one_that_was_connected_to) {
	char text[ADDRESS_TEXT_SIZE];
	inside_listen("0.0.0.0:0");
	inside_start();
	const char *target = test_text("127.0.0.2%s", strrchr(inside_address(), ':'));
	int client = peer_connect_served(target);
	const struct conn_origin origin = origin_of(0);
	assert_string_equal(conn_local_text(&origin, text), target);
	peer_close(client);
}

TEST(a_snapshot_has_what_others_count) {
	struct server *server = &inside->server;
	inside_start();
	server->pool.queue.wakes_withheld = 3;
	for (uint64_t max = 5; max <= 7; max += 2) { // it may be behind
		server->echo.unsent = 6;
		server->echo.unsent_max = max;
		assert_int_equal(inside_gauge(GAUGE_unsent_bytes), 6);
		assert_int_equal(inside_gauge(GAUGE_unsent_bytes_max), max < 6 ? 6 : max);
	}
	server->echo.unsent = 0;
	assert_int_equal(inside_counter(COUNTER_wakes_withheld), 3);
	assert_int_equal(inside_gauge(GAUGE_cpus), server->pool.queue.cpus);
}
