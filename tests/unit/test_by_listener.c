// The counters of each listener: server/by_listener.
#include "expect.h"

#include "inside.h"
#include "peer.h"
#include "place.h"
#include "process.h"

#define PING UINT64_C(64)
#define CLIENTS 20

static struct snapshot snapshot;

AROUND_EACH(inside_configure, inside_end);

static uint64_t counted(size_t listener, enum listener_metric metric) {
	server_snapshot(&inside->server, &snapshot);
	assert_true(listener < snapshot.listener_count);
	return snapshot.listener[listener].value[metric];
}

static void expect_labels(const char *const *labels) {
	size_t count = 0;
	server_snapshot(&inside->server, &snapshot);
	for (; labels[count]; count++) {
		assert_true(count < snapshot.listener_count);
		assert_string_equal(snapshot.listener[count].label, labels[count]);
	}
	assert_int_equal(snapshot.listener_count, count);
}

// A label is what was configured, not what was bound, and each is there once.
TEST(a_label_is_the_same_after_a_restart) {
	const char *path = place_address("a\"\\\xe9");
	inside_listen("127.0.0.1:0");
	inside_listen("localhost:0");
	inside_listen("127.0.0.1:0");
	inside_listen(path);
	for (int i = 0; i < 2; i++) {
		inside_start();
		assert_true(inside->server.listener_count >= 4);
		const char *odd = test_text("%.*s\"\\x5C\\xE9", (int)strlen(path) - 3, path);
		expect_labels(STRINGS("127.0.0.1:0", "localhost:0", odd));
		if (i == 0)
			inside_end();
	}
}

TEST(each_listener_counts_its_own) {
	inside->config.max_per_source = 2;
	inside_listen("127.0.0.1:0");
	inside_listen(place_address("s"));
	inside_start();
	const char *const *names = STRINGS(inside->server.names[0], inside->server.names[1]);
	int clients[] = {peer_connect_served(names[0]), peer_connect_served(names[0]),
			 peer_connect_served(names[1])};
	peer_expect_rejected(names[0], NULL);
	static const uint64_t expected[2][LISTENER_COUNT] = {
		{[LISTENER_connections_rejected] = 1,
		 [LISTENER_connections_accepted] = 2,
		 [LISTENER_connections_open] = 2,
		 [LISTENER_bytes_received] = 2 * PING,
		 [LISTENER_bytes_sent] = 2 * PING},
		{[LISTENER_connections_accepted] = 1,
		 [LISTENER_connections_open] = 1,
		 [LISTENER_bytes_received] = PING,
		 [LISTENER_bytes_sent] = PING},
	};
	for (size_t i = 0; i < 2; i++)
		for (int m = 0; m < LISTENER_COUNT; m++) // bytes arrive before they are counted
			wait_until(counted(i, (enum listener_metric)m) == expected[i][m]);
	peer_close_all(clients, COUNT_OF(clients));
	for (size_t i = 0; i < 2; i++) {
		wait_until(counted(i, LISTENER_connections_closed) == 2 - i);
		assert_int_equal(counted(i, LISTENER_connections_open), 0);
		assert_int_equal(counted(i, LISTENER_bytes_received), (2 - i) * PING);
		assert_int_equal(counted(i, LISTENER_bytes_sent), (2 - i) * PING);
	}
}

static void expect_bytes(struct by_listener *listeners, uint64_t bytes) {
	by_listener_sum(listeners, &inside->server.conns, &snapshot);
	assert_int_equal(snapshot.listener[0].value[LISTENER_bytes_received], bytes);
	assert_int_equal(snapshot.listener[0].value[LISTENER_bytes_sent], bytes);
}

// While a worker closes a connection, it is neither in the table nor among those that have ended.
TEST(bytes_of_a_connection_that_is_being_closed_stay) {
	static struct by_listener listeners;
	struct conn_table *conns = &inside->server.conns;
	const struct conn_origin origin = {.fd = -1};
	struct conn *others[80]; // more than are looked at at a time
	inside->config.max_connections = COUNT_OF(others) + 1;
	inside_start();
	by_listener_label(&listeners, 0, "here");
	for (size_t i = 0; i < COUNT_OF(others); i++)
		others[i] = conn_table_add(conns, &origin);
	for (uint64_t bytes = 100; bytes <= 300; bytes += 100) {
		struct conn *conn = conn_table_add(conns, &origin);
		conn_count(&conn->bytes_received, 100);
		conn_count(&conn->bytes_sent, 100);
		expect_bytes(&listeners, bytes);
		conn_table_remove(conns, conn);
		expect_bytes(&listeners, bytes);
		by_listener_add(&listeners, 0, LISTENER_bytes_received, 100);
		by_listener_add(&listeners, 0, LISTENER_bytes_sent, 100);
		expect_bytes(&listeners, bytes);
	}
	for (size_t i = 0; i < COUNT_OF(others); i++)
		conn_table_remove(conns, others[i]);
}

// Whatever happens meanwhile, a value is at most the true one, and never goes down.
TEST(values_are_never_too_high_and_never_go_down) {
	uint64_t pings = 0, before[LISTENER_COUNT] = {0};
	int clients[CLIENTS];
	inside_start();
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < CLIENTS; i++) {
			clients[i] = peer_connect_served(inside_address());
			pings++;
			if (i % 2)
				peer_close(clients[i]);
			server_snapshot(&inside->server, &snapshot);
			const uint64_t *now = snapshot.listener[0].value;
			assert_true(now[LISTENER_bytes_received] <= pings * PING &&
				    now[LISTENER_bytes_sent] <= pings * PING);
			assert_true(now[LISTENER_connections_open] <= CLIENTS);
			for (int m = 0; m < LISTENER_COUNT; m++)
				assert_true(m == LISTENER_connections_open || now[m] >= before[m]);
			memcpy(before, now, sizeof(before));
		}
		for (int i = 0; i < CLIENTS; i += 2)
			peer_close(clients[i]);
		wait_until(counted(0, LISTENER_connections_closed) == pings);
		assert_int_equal(counted(0, LISTENER_bytes_sent), pings * PING);
	}
}
