// What a server listens on: server/listeners. Some names have the addresses of a table, `crowd` has
// many, and bind(2) fails as a test wants it to; nothing else is made up.
#include "expect.h"

#include <netdb.h>
#include <sys/socket.h>

#include "inside.h"
#include "network.h"
#include "server/listeners.h"

static struct inside inside;
static int failures[2][100]; // of bind to ::1 and to 127.0.0.1: errno for each call, 0: goes on
static size_t calls[2];
static unsigned crowd; // addresses of the name `crowd`
static char last_line[400];

static const struct {
	const char *name;
	const char *addresses[4];
} hosts[] = {
	{"twin", {"::1", "127.0.0.1"}},
	{"everywhere", {"127.0.0.1", "0.0.0.0", "::1", "::"}},
	{"mapped", {"::ffff:127.0.0.1", "127.0.0.1"}},
	{"group", {"ff02::1", "127.0.0.1"}},
};

WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t length)) {
	size_t which = address->sa_family == AF_INET;
	if (calls[which] < COUNT_OF(failures[which])) {
		errno = failures[which][calls[which]++];
		if (errno)
			return -1;
	}
	return __real_bind(fd, address, length);
}

WRAP(int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)) {
	if (strcmp(host, "crowd") == 0) {
		for (unsigned i = 1; i <= crowd; i++, found = &(*found)->ai_next) {
			char text[16];
			snprintf(text, sizeof(text), "127.0.1.%u", i);
			assert_int_equal(__real_getaddrinfo(text, port, hints, found), 0);
		}
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		if (strcmp(host, hosts[i].name) != 0)
			continue;
		for (size_t j = 0; j < 4 && hosts[i].addresses[j]; j++, found = &(*found)->ai_next)
			assert_int_equal(
				__real_getaddrinfo(hosts[i].addresses[j], port, hints, found), 0);
		return 0;
	}
	return __real_getaddrinfo(host, port, hints, found);
}

static int keep_line(void *context, const struct echod_log_entry *entry) {
	(void)context;
	assert_int_equal(entry->level, ECHOD_LOG_WARNING);
	snprintf(last_line, sizeof(last_line), "%s", entry->message);
	return 1;
}

static void prepare(void) {
	inside_configure(&inside);
	inside.log.sink = keep_line;
	memset(failures, 0, sizeof(failures));
	memset(calls, 0, sizeof(calls));
	last_line[0] = '\0';
}

// All ports are free there.
static void enter(void) {
	network_enter();
}

FIXTURE_ONCE(enter, NULL);
FIXTURE(prepare, NULL);

static int bind_these(const char *const *addresses, struct echod_error *error) {
	for (size_t i = 0; addresses[i]; i++)
		inside_listen(&inside, addresses[i]);
	inside.server.config = inside.config;
	inside.server.log = &inside.log;
	return listeners_bind(&inside.server, error);
}

#define BIND(...) bind_these((const char *const[]){__VA_ARGS__, NULL}, &error)

TEST(a_name_has_one_port_at_all_its_addresses) {
	struct echod_error error;
	assert_int_equal(BIND("twin:0"), 0);
	assert_int_equal(inside.server.listener_count, 2);
	assert_int_not_equal(inside.server.ports[0], 0);
	assert_int_equal(inside.server.ports[0], inside.server.ports[1]);
	assert_int_equal(strncmp(inside.server.names[0], "[::1]:", 6), 0);
	assert_int_equal(strncmp(inside.server.names[1], "127.0.0.1:", 10), 0);
	listeners_close(&inside.server);
}

// Free at the first address, taken at the second.
TEST(another_port_is_tried_when_one_is_taken) {
	struct echod_error error;
	for (size_t i = 0; i < 5; i++)
		failures[1][i] = EADDRINUSE;
	assert_int_equal(BIND("twin:0"), 0);
	assert_int_equal(calls[0], 6);
	assert_int_equal(inside.server.listener_count, 2);
	assert_int_equal(inside.server.ports[0], inside.server.ports[1]);
	listeners_close(&inside.server);
}

TEST(not_for_ever) {
	struct echod_error error;
	for (size_t i = 0; i < COUNT_OF(failures[1]); i++)
		failures[1][i] = EADDRINUSE;
	size_t descriptors = open_descriptors();
	assert_int_equal(BIND("twin:0"), -1);
	assert_contains(error.message, "cannot listen on 127.0.0.1:");
	assert_contains(error.message, "Address already in use");
	assert_int_equal(inside.server.listener_count, 0);
	assert_int_equal(open_descriptors(), descriptors);
}

TEST(a_port_that_was_asked_for_is_tried_once) {
	struct echod_error error;
	failures[1][0] = EADDRINUSE;
	assert_int_equal(BIND("twin:20009"), -1);
	assert_string_equal(error.message,
			    "cannot listen on 127.0.0.1:20009: Address already in use");
	assert_int_equal(calls[1], 1);
}

// IPv6 switched off by sysctl gives the one error, a kernel without it the other (from socket, but
// it is looked at in the same place).
TEST(addresses_that_do_not_exist_are_left_out) {
	static const int reasons[] = {EADDRNOTAVAIL, EAFNOSUPPORT};
	for (size_t which = 0; which < 2; which++) {
		for (size_t i = 0; i < COUNT_OF(reasons); i++) {
			struct echod_error error;
			prepare();
			failures[which][0] = reasons[i];
			assert_int_equal(BIND("twin:0"), 0);
			assert_int_equal(inside.server.listener_count, 1);
			char expected[200];
			snprintf(expected, sizeof(expected),
				 "'twin' is also %s:0, which is left out because it cannot be "
				 "bound: %s",
				 which ? "127.0.0.1" : "[::1]", strerror(reasons[i]));
			assert_string_equal(last_line, expected);
			listeners_close(&inside.server);
		}
	}
}

TEST(nothing_left_is_an_error) {
	struct echod_error error;
	failures[0][0] = failures[1][0] = EADDRNOTAVAIL;
	assert_int_equal(BIND("twin:20009"), -1);
	assert_contains(error.message, "cannot listen on 127.0.0.1:20009: ");
	assert_string_equal(last_line, "");
	failures[1][1] = EADDRNOTAVAIL;
	inside.config.listen_count = 0;
	assert_int_equal(BIND("127.0.0.1:20009"), -1);
	assert_contains(error.message, "Cannot assign requested address");
	assert_string_equal(last_line, "");
}

TEST(an_address_that_another_of_the_name_takes_in_is_left_out) {
	struct echod_error error;
	assert_int_equal(BIND("everywhere:20009"), 0);
	assert_int_equal(inside.server.listener_count, 1);
	assert_string_equal(inside.server.names[0], "[::]:20009");
	listeners_close(&inside.server);

	prepare();
	assert_int_equal(BIND("mapped:0"), 0);
	assert_int_equal(inside.server.listener_count, 1);
	assert_string_equal(last_line, "");
	listeners_close(&inside.server);
}

// [::] is bound first, and here the kernel has no IPv6.
TEST(what_it_takes_in_is_bound_where_it_cannot_be) {
	struct echod_error error;
	failures[0][0] = failures[0][1] = EAFNOSUPPORT;
	assert_int_equal(BIND("everywhere:0"), 0);
	assert_int_equal(inside.server.listener_count, 1);
	assert_int_equal(strncmp(inside.server.names[0], "0.0.0.0:", 8), 0);
	listeners_close(&inside.server);
}

TEST(an_address_where_nobody_can_listen_is_left_out) {
	struct echod_error error;
	assert_int_equal(BIND("group:0"), 0);
	assert_int_equal(inside.server.listener_count, 1);
	assert_contains(last_line, "[ff02::1]:0, which is left out");
	listeners_close(&inside.server);
}

// What we use ourselves is told apart from what others use.
TEST(one_address_within_another_is_refused) {
	static const char *const pairs[][2] = {
		{"[::]:20009", "0.0.0.0:20009"},
		{"0.0.0.0:20009", "[::]:20009"},
		{":20009", ":20009"},
		{":20009", "127.0.0.1:20009"},
		{"0.0.0.0:20009", "127.0.0.1:20009"},
		{"127.0.0.1:20009", "0.0.0.0:20009"},
		{"127.0.0.1:20009", "127.0.0.1:20009"},
		{"[::1]:20009", "[::]:20009"},
		{"twin:20009", "127.0.0.1:20009"},
		{"[::1]:20009", "twin:20009"},
		{"unix:@echod-x", "unix:@echod-x"},
		{"unix:/tmp/x", "unix:/tmp/x"},
		{"unix:/tmp/x", "unix:/tmp/../tmp/x"},
		{"unix:x", "unix:./x"},
		{"127.0.0.1:20009", "[::ffff:127.0.0.1]:20009"},
		{"[::ffff:127.0.0.1]:20009", "127.0.0.1:20009"},
	};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct echod_error error = {0};
		prepare();
		if (BIND(pairs[i][0], pairs[i][1]) == 0)
			fail_msg("%s and %s", pairs[i][0], pairs[i][1]);
		assert_contains(error.message, ": another --listen address, ");
		assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
		listeners_close(&inside.server);
	}
}

TEST(no_address_of_a_name_is_left_out_in_silence) {
	struct echod_error error;
	crowd = SERVER_MAX_LISTENERS;
	assert_int_equal(BIND("crowd:20009"), 0);
	assert_int_equal(inside.server.listener_count, crowd);
	listeners_close(&inside.server);
	prepare();
	crowd++;
	assert_int_equal(BIND("crowd:20009"), -1);
	assert_contains(error.message, "more than 128 addresses");
	assert_int_equal(inside.server.listener_count, 0);
}

TEST(addresses_apart_get_along) {
	struct echod_error error;
	assert_int_equal(BIND("127.0.0.1:20009", "127.0.0.2:20009", "[::1]:20009", "127.0.0.1:0",
			      "127.0.0.1:0", "0.0.0.0:20010", "unix:@echod-x", "unix:@echod-y",
			      "[::ffff:127.0.0.3]:20009"),
			 0);
	assert_int_equal(inside.server.listener_count, 9);
	listeners_close(&inside.server);
}
