// Lists of any length to one client of the control socket: control/session and control/lists.
#include "session_case.h"

#include <poll.h>
#include <sys/socket.h>

#include "expect.h"
#include "process.h"

#define MANY SESSION_MOST_CONNECTIONS
#define IDS (10 * MANY) // of all tests

static struct conn *conns[MANY]; // NULL: none
static char reply[4 << 20];
static size_t taken; // bytes of the reply

// Connections in the table alone, each with a row of more than 160 bytes.
static void add_connections(size_t begin, size_t end) {
	const struct conn_origin origin = {.fd = -1,
					   .peer.any = {.sa_family = AF_UNIX},
					   .local_name = "unix:somewhere",
					   .accepted_at = clock_now() - 100 * NS_PER_S};
	for (size_t i = begin; i < end; i++)
		conns[i] = conn_table_add(&inside->server.conns, &origin);
}

static void remove_connections(size_t begin, size_t end) {
	for (size_t i = begin; i < end && conns[i]; i++) {
		conn_table_remove(&inside->server.conns, conns[i]);
		conns[i] = NULL;
	}
}

AROUND_ALL(session_start_server, inside_end);

BEFORE_EACH {
	session_set_up();
	taken = 0;
}

AFTER_EACH {
	session_tear_down();
	remove_connections(0, MANY);
}

static void take_bytes(void) {
	ssize_t count;
	while ((count = recv(session_client, reply + taken, sizeof(reply) - taken, 0)) > 0)
		taken += (size_t)count;
	assert_true(taken < sizeof(reply));
	reply[taken] = '\0';
}

// Steps as the stats thread does and takes what comes, without waiting, until the session is idle
// again, or `most` steps have been made.
static void take_reply(int most) {
	for (int i = 0; i < most; i++) {
		session_do_step();
		take_bytes();
		if (session.fd < 0 || session_is_idle(&session))
			break;
		assert_int_equal(session_events(&session), POLLOUT);
	}
}

// Puts the body of a reply in pieces together, in place. Returns what follows it.
static char *join_pieces(char *bytes) {
	assert_int_equal(strncmp(bytes, "200 *\n", 6), 0);
	char *to = bytes, *from = bytes + 6;
	size_t length;
	do {
		char *end;
		length = strtoul(from, &end, 10);
		assert_true(end > from && *end == '\n' && length < SESSION_MOST_BYTES);
		from = end + 1;
		assert_true(strlen(from) >= length);
		memmove(to, from, length);
		to += length;
		from += length;
	} while (length > 0);
	*to = '\0';
	return from;
}

// Wants each of the first `count` connections in the list once.
static void expect_listed(const char *text, size_t count) {
	static unsigned char times[IDS];
	memset(times, 0, sizeof(times));
	const json_t *list = json_object_get(json_from(text), "connections");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *id = json_object_get(json_array_get(list, i), "id");
		assert_in_range(json_integer_value(id), 1, IDS - 1);
		times[json_integer_value(id)]++;
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(times[conns[i]->work.id], 1);
}

TEST(a_long_list_goes_out_in_pieces) {
	add_connections(0, MANY);
	session_say("connections json\nping\nconnections\n", 34);
	take_reply(1000);
	take_reply(1000);
	char *rest = join_pieces(reply);
	expect_listed(reply, MANY);
	assert_int_equal(strncmp(rest, "200 5\npong\n", 11), 0); // what follows is in step
	rest += 11;
	join_pieces(rest);
	assert_int_equal(process_count_lines(rest), 1 + MANY);
	session_expect_counted(3, 0);
}

// A list that fits into a piece has a length, as every other reply.
TEST(a_short_list_has_a_length) {
	add_connections(0, 100);
	session_ask("connections json\n");
	session_expect_reply(200, "\"age_seconds\": 10");
}

static void print_two(FILE *out) {
	struct list list;
	list_begin(&list, LIST_CONNECTIONS, true, out);
	list.most = 2;
	while (list_goes_on(&list))
		list_write(&list, &inside->server, out);
}

TEST(a_list_may_be_cut_short) {
	for (size_t count = 1; count <= 3; count++) {
		add_connections(count - 1, count);
		const json_t *list = json_from(test_output(print_two));
		assert_int_equal(json_array_size(json_object_get(list, "connections")),
				 count < 2 ? count : 2);
		assert_int_equal(json_is_true(json_object_get(list, "truncated")), count > 2);
	}
}

// Connections that stay are in the list once, whatever comes and goes meanwhile.
TEST(a_list_may_change_while_it_goes_out) {
	add_connections(0, MANY);
	session_say("connections json\n", 17);
	take_reply(1);
	remove_connections(MANY / 2, MANY);
	add_connections(MANY / 2, MANY * 3 / 4);
	take_reply(1000);
	join_pieces(reply);
	expect_listed(reply, MANY / 2);
}

// With nothing left to say it ends in order.
TEST(a_list_may_lose_its_end) {
	add_connections(0, MANY);
	session_say("connections\n", 12);
	take_reply(1);
	remove_connections(0, MANY);
	take_reply(1000);
	join_pieces(reply);
	assert_in_range(process_count_lines(reply), 2, MANY);
}

TEST(a_list_that_nobody_reads_is_given_up) {
	add_connections(0, MANY);
	session_say("connections json\n", 17);
	for (int i = 0; i < 1000; i++)
		session_do_step();
	assert_false(session_is_idle(&session));
	assert_true(session.list.rows < MANY); // no more than was wanted
	session_do_expire();
	take_bytes();
	assert_null(strstr(reply, "\n0\n"));
}

TEST(a_client_that_leaves_a_list_is_closed) {
	add_connections(0, MANY);
	session_ask("connections json\nping\n");
	session_leave();
}
