// Lists of any length to one client of the control socket: control/session and control/lists.
#include "session_case.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>

#define MANY SESSION_MOST_CONNECTIONS
#define IDS (10 * MANY) // of all tests

// Some that the table alone knows, each with a row of more than 160 bytes.
static void add_connections(struct conn **conns, size_t count) {
	const struct conn_origin origin = {
		.fd = -1, .peer.any = {.sa_family = AF_UNIX}, .local_name = "unix:somewhere"};
	for (size_t i = 0; i < count; i++)
		conns[i] = conn_table_add(&session_server.server.conns, &origin);
}

static void remove_connections(struct conn **conns, size_t count) {
	for (size_t i = 0; i < count; i++)
		conn_table_remove(&session_server.server.conns, conns[i]);
}

// Steps as the stats thread does and takes what comes, without waiting, until the session is idle
// again, or `most` steps have been made. Returns how many bytes have come in all.
static size_t take_bytes(char *bytes, size_t size, size_t taken, int most) {
	for (int i = 0; i < most; i++) {
		session_do_step();
		ssize_t count;
		while ((count = recv(session_client, bytes + taken, size - taken, 0)) > 0)
			taken += (size_t)count;
		if (session.fd < 0 || session_is_idle(&session))
			break;
		assert_int_equal(session_events(&session), POLLOUT);
	}
	assert_true(taken < size);
	bytes[taken] = '\0';
	return taken;
}

// Puts the body of a reply in pieces together, in place. Returns what follows it.
static char *join_pieces(char *bytes) {
	assert_int_equal(strncmp(bytes, "200 *\n", 6), 0);
	char *to = bytes;
	char *from = bytes + 6;
	for (;;) {
		char *end;
		size_t length = strtoul(from, &end, 10);
		assert_true(end > from && *end == '\n');
		from = end + 1;
		if (length == 0)
			break;
		assert_true(length < SESSION_MOST_BYTES && strlen(from) >= length);
		memmove(to, from, length);
		to += length;
		from += length;
	}
	*to = '\0';
	return from;
}

// Wants each of the connections in the list once.
static void expect_listed(const char *text, struct conn *const *conns, size_t count) {
	static unsigned char times[IDS];
	memset(times, 0, sizeof(times));
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *list = json_object_get(object, "connections");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *id = json_object_get(json_array_get(list, i), "id");
		assert_in_range(json_integer_value(id), 1, IDS - 1);
		times[json_integer_value(id)]++;
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(times[conns[i]->work.id], 1);
	json_decref(object);
}

static struct conn *many[MANY];
static char bytes_taken[4 << 20];

FIXTURE_ONCE(session_start_server, session_end_server);
FIXTURE(session_set_up, session_tear_down);

TEST(a_long_list_goes_out_in_pieces) {
	add_connections(many, MANY);
	session_say("connections json\nping\nconnections\n", 34);
	take_bytes(bytes_taken, sizeof(bytes_taken), 0, 1000);
	take_bytes(bytes_taken, sizeof(bytes_taken), strlen(bytes_taken), 1000);
	char *json = strdup(bytes_taken);
	char *rest = join_pieces(json);
	expect_listed(json, many, MANY);
	assert_int_equal(strncmp(rest, "200 5\npong\n", 11), 0); // what follows is in step
	join_pieces(rest += 11);
	size_t lines = 0;
	for (const char *at = rest; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 1 + MANY);
	free(json);
	remove_connections(many, MANY);
	assert_int_equal(session_counted(COUNTER_control_requests), 3);
}

// As many as fit into a piece come as they always did.
TEST(a_short_list_has_a_length) {
	add_connections(many, 100);
	session_say("connections json\n", 17);
	session_do_step();
	session_expect_reply(200, "\"connections\": [");
	remove_connections(many, 100);
}

// Those that stay are in the list once, whatever comes and goes meanwhile.
TEST(a_list_may_change_while_it_goes_out) {
	add_connections(many, MANY);
	session_say("connections json\n", 17);
	size_t taken = take_bytes(bytes_taken, sizeof(bytes_taken), 0, 1);
	remove_connections(many + MANY / 2, MANY / 2);
	add_connections(many + MANY / 2, MANY / 4);
	take_bytes(bytes_taken, sizeof(bytes_taken), taken, 1000);
	join_pieces(bytes_taken);
	expect_listed(bytes_taken, many, MANY / 2);
	remove_connections(many, MANY * 3 / 4);
}

TEST(a_list_that_nobody_reads_is_given_up) {
	add_connections(many, MANY);
	session_say("connections json\n", 17);
	for (int i = 0; i < 1000; i++)
		session_do_step();
	assert_false(session_is_idle(&session));
	assert_true(session.list.rows < MANY); // no more than was wanted
	session_do_expire();
	size_t taken = 0;
	ssize_t count;
	while ((count = recv(session_client, bytes_taken + taken, sizeof(bytes_taken) - taken, 0)) >
	       0)
		taken += (size_t)count;
	bytes_taken[taken] = '\0';
	assert_null(strstr(bytes_taken, "\n0\n"));
	remove_connections(many, MANY);
}

TEST(a_client_that_leaves_a_list_is_closed) {
	add_connections(many, MANY);
	session_say("connections json\nping\n", 22);
	session_do_step();
	close(session_client);
	for (int i = 0; i < 10 && session.fd >= 0; i++)
		session_do_step();
	assert_int_equal(session.fd, -1);
	session_client = open("/dev/null", O_RDONLY | O_CLOEXEC);
	remove_connections(many, MANY);
}
