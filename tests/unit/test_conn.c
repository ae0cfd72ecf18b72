// The table of open connections, and how a connection is closed: echo/conn.
#include "expect.h"

#include <sys/socket.h>

#include "echo/conn.h"
#include "net/socket.h"
#include "peer.h"

#define CAPACITY 1000

static struct conn_table table;
static struct conn_info infos[CAPACITY];

BEFORE_EACH { assert_int_equal(conn_table_open(&table, CAPACITY, NULL), 0); }

AFTER_EACH { conn_table_close(&table); }

static struct conn *add(int fd) {
	struct conn_origin origin = {.fd = fd, .accepted_at = 1000 + (uint64_t)fd};
	return conn_table_add(&table, &origin);
}

TEST(a_new_connection_is_blank_except_for_its_origin) {
	struct conn_origin origin = {
		.fd = 7, .accepted_at = 99, .local_name = "here", .listener = 5};
	for (uint64_t id = 1; id <= 3; id++) { // the second and third in a used slot
		struct conn *conn = conn_table_add(&table, &origin);
		assert_int_equal(conn->work.id, id);
		assert_memory_equal(&conn->origin, &origin, sizeof(origin));
		assert_false(conn->bytes_received || conn->bytes_sent || conn->first ||
			     conn->first_at);
		struct work *work = &conn->work;
		assert_int_equal(work->worker, 0);
		assert_int_equal(work->active_at, 99);
		assert_int_equal(work->fd, 7);
		assert_int_equal(work->state, WORK_QUEUED);
		assert_int_equal(work->timeout, TIMEOUT_NONE);
		assert_false(work->events || work->expired || work->hung_up);
		assert_false(conn->unsent.bytes || conn->stuck || conn->spin_credit);
		assert_true(conn_all_echoed(conn));
		conn_count(&conn->bytes_received, 5);
		assert_false(conn_all_echoed(conn));
		// As it is when it was parked, expired and is closed.
		atomic_store(&work->worker, 3);
		atomic_store(&work->state, WORK_SERVED);
		atomic_store(&work->hung_up, true);
		work->events = 1;
		work->expired = true;
		work->timeout = TIMEOUT_POLLED;
		conn->stuck = true;
		conn->bytes_sent = conn->first = conn->first_at = 7;
		conn->spin_credit = 9;
		conn_table_remove(&table, conn);
	}
}

TEST(the_slot_freed_last_is_used_first) {
	struct conn *conns[10];
	for (int i = 0; i < 10; i++)
		conns[i] = add(i);
	conn_table_remove(&table, conns[2]);
	conn_table_remove(&table, conns[7]);
	conn_table_remove(&table, conns[4]);
	assert_ptr_equal(add(4), conns[4]);
	assert_ptr_equal(add(7), conns[7]);
	assert_ptr_equal(add(2), conns[2]);
	assert_ptr_not_equal(add(10), conns[9]);
	assert_int_equal(table.used, 11); // no more memory was touched than needed
	for (size_t i = 0; i < table.used; i++)
		conn_table_remove(&table, &table.slots[i]);
}

TEST(it_can_be_filled_to_the_last_slot) {
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < CAPACITY; i++)
			add(i);
		for (int i = 0; i < CAPACITY; i++)
			conn_table_remove(&table, &table.slots[i]);
	}
	assert_int_equal(table.used, CAPACITY);
}

// Copies the whole table, `piece` slots at a time.
static size_t copy_in_pieces(size_t piece) {
	size_t total = 0;
	for (size_t slot = 0, before = SIZE_MAX; slot != before;) {
		before = slot;
		size_t copied = conn_table_copy(&table, &slot, infos + total, piece);
		assert_true(copied <= piece && slot <= table.used);
		total += copied;
	}
	return total;
}

TEST(a_copy_in_pieces_has_each_connection_once) {
	struct conn *conns[100];
	for (int i = 0; i < 100; i++)
		conns[i] = add(i);
	for (size_t i = 0; i < 100; i += 3)
		conn_table_remove(&table, conns[i]);
	conn_count(&conns[1]->bytes_received, 70);
	conn_count(&conns[1]->bytes_sent, 60);
	atomic_store(&conns[1]->first, 50);
	atomic_store(&conns[1]->first_at, 40);
	atomic_store(&conns[1]->work.worker, 5);
	atomic_store(&conns[1]->work.state, WORK_PARKED);
	for (size_t piece = 1; piece <= 128; piece *= 2) {
		assert_int_equal(copy_in_pieces(piece), 66);
		for (size_t i = 0; i < 66; i++) {
			int fd = (int)(i / 2 * 3 + i % 2 + 1);
			assert_int_equal(infos[i].origin.fd, fd);
			assert_int_equal(infos[i].id, fd + 1);
			assert_int_equal(infos[i].active_at, 1000 + fd);
		}
		assert_int_equal(infos[0].bytes_received, 70);
		assert_int_equal(infos[0].bytes_sent, 60);
		assert_int_equal(infos[0].first, 50);
		assert_int_equal(infos[0].first_at, 40);
		assert_int_equal(infos[0].worker, 5);
		assert_int_equal(infos[0].state, WORK_PARKED);
		assert_int_equal(infos[1].state, WORK_QUEUED);
	}
	for (size_t i = 0; i < 100; i++)
		if (i % 3)
			conn_table_remove(&table, conns[i]);
	assert_int_equal(copy_in_pieces(7), 0);
}

static void *receive_one(void *argument) {
	const struct conn *conn = argument;
	char byte;
	return recv(conn->origin.fd, &byte, 1, 0) == 0 ? argument : NULL;
}

TEST(shutting_reading_wakes_threads_that_receive) {
	enum { PAIRS = 300 }; // more than are shut down under the lock at once
	static int pairs[PAIRS][2];
	static struct conn *conns[PAIRS];
	for (size_t i = 0; i < PAIRS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
		conns[i] = add(pairs[i][0]);
	}
	assert_int_equal(write(pairs[1][1], "abc", 3), 3);
	pthread_t first = thread_begin(receive_one, conns[0]);
	pthread_t last = thread_begin(receive_one, conns[PAIRS - 1]);
	conn_table_shut_reading(&table);
	assert_non_null(thread_end(first));
	assert_non_null(thread_end(last));
	char bytes[4]; // what has arrived stays readable
	assert_int_equal(recv(pairs[1][0], bytes, sizeof(bytes), MSG_DONTWAIT), 3);
	for (size_t i = 0; i < PAIRS; i++) {
		assert_int_equal(recv(pairs[i][0], bytes, sizeof(bytes), MSG_DONTWAIT), 0);
		assert_int_equal(send(pairs[i][0], "x", 1, MSG_DONTWAIT), 1); // only reading
		conn_table_remove(&table, conns[i]);
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

// A client whose connection is closed.
static int closed_client(bool all_echoed, bool is_guest) {
	uint16_t port;
	int listener = peer_listen(0, 1, &port);
	int client = peer_connect(test_text("127.0.0.1:%u", port));
	socket_close(accept4(listener, NULL, NULL, SOCK_CLOEXEC), all_echoed, is_guest);
	close(listener);
	return client;
}

TEST(a_close_is_orderly_only_when_all_was_echoed) {
	for (int is_guest = 0; is_guest <= 1; is_guest++) {
		peer_expect_eof(closed_client(true, is_guest));
		peer_expect_reset(closed_client(false, is_guest));
	}
}

ABORTS(removing_twice) {
	struct conn *conn = add(1);
	conn_table_remove(&table, conn);
	conn_table_remove(&table, conn);
}

ABORTS(adding_one_too_many) {
	for (int i = 0; i <= CAPACITY; i++)
		add(i);
}

ABORTS(closing_while_one_is_open) {
	add(1);
	conn_table_close(&table);
}
