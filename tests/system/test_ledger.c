// Scenario: the ledger says of each connection who ended it and how, what had been moved, and what
// the kernel knew of it.
#include <sys/socket.h>

#include "base/first_bytes.h"
#include "ctl.h"
#include "peer.h"
#include "stats.h"

#define PING 64

static const json_t *rows_of(struct daemon *daemon) {
	return json_object_get(stats_ask(daemon, "ledger json"), "ledger");
}

// The only row, when it says that the connection has been closed. One that closes while they are
// listed may have two.
static const json_t *only_row(struct daemon *daemon) {
	const json_t *rows;
	stats_wait(daemon, "connections_accepted", 1);
	do {
		rows = rows_of(daemon);
		assert_in_range(json_array_size(rows), 1, 2);
	} while (json_array_size(rows) > 1 ||
		 json_is_null(json_object_get(json_array_get(rows, 0), "reason")));
	return json_array_get(rows, 0);
}

static const char *text_in(const json_t *row, const char *name) {
	const json_t *member = json_object_get(row, name);
	assert_non_null(member);
	return json_is_null(member) ? "null" : json_string_value(member);
}

static json_int_t count_in(const json_t *row, const char *name) {
	const json_t *member = json_object_get(row, name);
	assert_true(json_is_integer(member));
	return json_integer_value(member);
}

static void end_with_fin(int fd) {
	peer_ping(fd);
	peer_half_close(fd);
	peer_expect_eof(fd);
}

static void leave_silently(int fd) { peer_close(fd); }

static void reset_at_rest(int fd) {
	peer_ping(fd);
	peer_reset(fd);
}

static void reset_silently(int fd) { peer_reset(fd); }

static void stay_idle(int fd) {
	peer_ping(fd);
	peer_expect_eof(fd);
}

static void read_nothing(int fd) {
	static char bytes[1 << 18];
	wait_until(peer_send_some(fd, bytes, sizeof(bytes)) < 0);
	close(fd);
}

// Ends of a connection, and its row.
static const struct end {
	const char *name, *option, *value;
	void (*play)(int fd);
	const char *ended_by, *reason, *peer_end, *own_end;
} ends[] = {
	{"fin", "--log-level", "error", end_with_fin, "peer", "peer", "FIN", "FIN"},
	{"no byte", "--log-level", "error", leave_silently, "peer", "probe", "FIN", "FIN"},
	{"reset", "--log-level", "error", reset_at_rest, "peer", "reset_ok", "RST", "null"},
	{"reset, no byte", "--log-level", "error", reset_silently, "peer", "probe", "RST", "null"},
	{"idle", "--idle-timeout", "50ms", stay_idle, "server", "idle", "null", "FIN"},
	{"stalled", "--send-timeout", "100ms", read_nothing, "server", "stalled", "null", "RST"},
};

static void expect_row(const json_t *row, const struct end *end) {
	assert_string_equal(text_in(row, "ended_by"), end->ended_by);
	assert_string_equal(text_in(row, "reason"), end->reason);
	assert_string_equal(text_in(row, "peer_end"), end->peer_end);
	assert_string_equal(text_in(row, "own_end"), end->own_end);
}

TEST_ROWS(each_end_is_told, const struct end *end, ends) {
	struct daemon *daemon = daemon_start(end->option, end->value, "--workers", "1");
	end->play(peer_connect(daemon->address[0]));
	const json_t *row = only_row(daemon);
	expect_row(row, end);
	json_int_t received = count_in(row, "bytes_received"), sent = count_in(row, "bytes_sent");
	assert_true(strcmp(end->name, "stalled") == 0 ? sent <= received : sent == received);
	bool silent = strcmp(end->reason, "probe") == 0;
	assert_int_equal(count_in(row, "first_bytes"), silent ? 0 : FIRST_BYTES);
	assert_true(json_is_null(json_object_get(row, "first_byte_seconds")) == silent);
	assert_int_equal(count_in(row, "retransmits"), 0);
	assert_true(json_is_real(json_object_get(row, "rtt_seconds")));
	assert_true(stats_number(row, "closed_seconds") > 0);
	daemon_stop(daemon);
}

// The hash is that of the bytes, in whatever way they are received.
TEST(first_bytes_are_marked, .with = {EACH_PATIENCE}) {
	struct daemon *daemon = daemon_start("--workers", "2");
	static const char bytes[] = "the first bytes of a stream";
	enum { CLIENTS = 8 };
	int fds[CLIENTS];
	bool kept = strcmp(test_with(), "--patience never") == 0; // then a worker for each
	size_t count = kept ? 2 : CLIENTS;
	peer_connect_all(daemon->address[0], fds, count);
	stats_wait(daemon, "connections_taken", count);
	for (size_t i = 0; i < count; i++) {
		peer_send(fds[i], bytes + i, sizeof(bytes) - i);
		peer_expect_text(fds[i], bytes + i);
		peer_receive(fds[i], (char[1]){0}, 1);
		peer_ping(fds[i]); // it does not count
		peer_half_close(fds[i]);
		peer_expect_eof(fds[i]);
	}
	const json_t *rows = rows_of(daemon);
	assert_int_equal(json_array_size(rows), count);
	for (size_t i = 0; i < count; i++) {
		uint64_t first = first_bytes_of(bytes + i, sizeof(bytes) - i);
		const json_t *row = json_array_get(rows, i);
		assert_int_equal(count_in(row, "first_bytes"), sizeof(bytes) - i);
		assert_string_equal(text_in(row, "first_hash"),
				    test_text("%014jx", (uintmax_t)first_bytes_hash(first)));
		assert_int_equal(count_in(row, "bytes_received"), sizeof(bytes) - i + PING);
	}
	daemon_stop(daemon);
}

DAEMON_TEST(open_ones_come_first, (LISTEN_TCP_AND_UNIX, "--ledger", "2")) {
	for (uint64_t i = 1; i <= 4; i++) {
		peer_visit(daemon->address[0]);
		stats_wait(daemon, "connections_closed_peer", i); // in this order
	}
	int tcp = peer_connect_served(daemon->address[0]);
	int local = peer_connect_served(daemon->address[1]);
	const json_t *rows = rows_of(daemon);
	assert_int_equal(json_array_size(rows), 4);
	for (size_t i = 0; i < 4; i++) {
		const json_t *row = json_array_get(rows, i);
		json_int_t id = count_in(row, "id");
		assert_true(i < 2 ? id == 5 || id == 6 : id == (json_int_t)i + 1);
		assert_string_equal(text_in(row, "reason"), i < 2 ? "null" : "peer");
		assert_string_equal(text_in(row, "listener"), daemon->address[id == 6]);
	}
	peer_close(local);
	stats_wait(daemon, "connections_closed_peer", 5);
	const json_t *last = json_array_get(rows_of(daemon), 2);
	assert_int_equal(count_in(last, "id"), 6);
	assert_true(json_is_null(json_object_get(last, "rtt_seconds")));
	assert_true(json_is_null(json_object_get(last, "retransmits")));
	peer_close(tcp);
}

// The far end of a proxy has both addresses.
DAEMON_TEST(a_proxy_is_named, ("--listen-proxy", "127.0.0.1:0")) {
	static const char header[] = "PROXY TCP4 192.0.2.1 192.0.2.2 9 7\r\n";
	int fd = peer_connect(daemon->address[0]);
	peer_send(fd, header, strlen(header));
	peer_ping(fd);
	const json_t *row = json_array_get(rows_of(daemon), 0);
	assert_string_equal(text_in(row, "peer"), "192.0.2.1:9");
	assert_contains(text_in(row, "proxy"), "127.0.0.1:");
	peer_close(fd);
}

DAEMON_TEST(a_ledger_may_be_off, ("--ledger", "0")) {
	peer_visit(daemon->address[0]);
	assert_int_equal(ctl_request(daemon->control, "ledger", NULL), 400);
}

TEST(a_size_is_limited) {
	daemon_refuses(SPEC("--ledger", "1048577"), 2, STRINGS("--ledger", "1048577"));
}
