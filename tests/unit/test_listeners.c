// What a server listens on: server/listeners. Some names have the addresses of a table, `crowd` has
// many, and bind(2) fails where a test says so; nothing else is made up.
#include "expect.h"

#include <netdb.h>
#include <sys/socket.h>

#include "inside.h"
#include "network.h"
#include "process.h"
#include "server/listeners.h"

static int failures[2][100]; // of bind to ::1 and to 127.0.0.1: errno for each call, 0: goes on
static size_t calls[2];
static unsigned crowd; // addresses of the name `crowd`
static char last_line[400];
static struct echod_error error;

static const struct {
	const char *name;
	const char *addresses[4];
} hosts[] = {
	{"twin", {"::1", "127.0.0.1"}},
	{"everywhere", {"127.0.0.1", "0.0.0.0", "::1", "::"}},
	{"mapped", {"::ffff:127.0.0.1", "127.0.0.1"}},
	{"group", {"ff02::1", "127.0.0.1"}},
	{"beyond", {"fe80::1%99"}},
	{"double", {"127.0.0.1", "127.0.0.2", "127.0.0.1", "fe80::1"}},
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
			const char *text = test_text("127.0.1.%u", i);
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
	assert_int_equal(entry->level, ECHOD_LOG_WARNING);
	snprintf(last_line, sizeof(last_line), "%s", entry->message);
	return 1;
}

// A network of its own, where all ports are free.
AROUND_ALL(network_enter, NULL);

BEFORE_EACH {
	inside_configure();
	inside->log.sink = keep_line;
	memset(failures, 0, sizeof(failures));
	memset(calls, 0, sizeof(calls));
	last_line[0] = '\0';
}

AFTER_EACH { listeners_close(&inside->server); }

static void again(void) {
	after_each();
	before_each();
}

static int bind_to(const char *const *addresses) {
	for (size_t i = 0; addresses[i]; i++)
		inside_listen(addresses[i]);
	inside->server.config = inside->config;
	inside->server.log = &inside->log;
	error = (struct echod_error){0};
	return listeners_bind(&inside->server, &error);
}

static void expect_bound(size_t count, const char *const *addresses) {
	assert_int_equal(bind_to(addresses), 0);
	assert_int_equal(inside->server.listener_count, count);
}

static void expect_failure(const char *const *addresses, const char *message) {
	assert_int_equal(bind_to(addresses), -1);
	assert_contains(error.message, message);
}

TEST(a_name_has_one_port_at_all_its_addresses) {
	expect_bound(2, STRINGS("twin:0"));
	assert_int_not_equal(inside->server.ports[0], 0);
	assert_int_equal(inside->server.ports[0], inside->server.ports[1]);
	assert_int_equal(strncmp(inside->server.names[0], "[::1]:", 6), 0);
	assert_int_equal(strncmp(inside->server.names[1], "127.0.0.1:", 10), 0);
}

// Free at the first address, taken at the second; or the first is not there.
TEST(another_port_is_tried_when_one_is_taken) {
	failures[0][0] = EADDRNOTAVAIL;
	failures[1][0] = EADDRINUSE;
	expect_bound(1, STRINGS("twin:0"));
	assert_int_equal(calls[0], 1);
	again();
	for (size_t i = 0; i < 5; i++)
		failures[1][i] = EADDRINUSE;
	expect_bound(2, STRINGS("twin:0"));
	assert_int_equal(calls[0], 6);
	assert_int_equal(inside->server.ports[0], inside->server.ports[1]);
}

static const struct attempts {
	const char *name; // the address
	int error;
	size_t count;
} attempts[] = {
	{"twin:0", EADDRINUSE, 64}, // not for ever
	{"twin:0", EACCES, 1},
	{"twin:20009", EADDRINUSE, 1},
	{"127.0.0.1:0", EADDRINUSE, 1},
};

TEST_ROWS(a_port_is_tried_so_often, const struct attempts *row, attempts) {
	for (size_t i = 0; i < COUNT_OF(failures[1]); i++)
		failures[1][i] = row->error;
	size_t descriptors = open_descriptors();
	expect_failure(STRINGS(row->name), "cannot listen on 127.0.0.1:");
	assert_contains(error.message, strerror(row->error));
	assert_int_equal(calls[1], row->count);
	assert_int_equal(inside->server.listener_count, 0);
	assert_int_equal(open_descriptors(), descriptors);
}

// IPv6 switched off by sysctl gives the one error, a kernel without it the other (from socket, but
// it is handled in the same place).
TEST(addresses_that_do_not_exist_are_left_out) {
	static const int reasons[] = {EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL};
	for (size_t which = 0; which < 2; which++) {
		for (size_t i = 0; i < COUNT_OF(reasons); i++) {
			again();
			failures[which][0] = reasons[i];
			expect_bound(1, STRINGS("twin:0"));
			assert_string_equal(
				last_line,
				test_text("'twin' is also %s:0, which is left out because "
					  "it cannot be bound: %s",
					  which ? "127.0.0.1" : "[::1]", strerror(reasons[i])));
		}
	}
}

TEST(nothing_left_is_an_error) {
	failures[0][0] = failures[1][0] = EADDRNOTAVAIL;
	expect_failure(STRINGS("twin:20009"), "cannot listen on 127.0.0.1:20009: ");
	assert_string_equal(last_line, "");
	failures[1][1] = EADDRNOTAVAIL;
	inside->config.listen_count = 0;
	expect_failure(STRINGS("127.0.0.1:20009"), "Cannot assign requested address");
	assert_string_equal(last_line, "");
}

TEST(an_address_within_another_of_the_name_is_left_out) {
	expect_bound(1, STRINGS("everywhere:20009"));
	assert_string_equal(inside->server.names[0], "[::]:20009");
	again();
	expect_bound(1, STRINGS("mapped:0"));
	assert_string_equal(last_line, "");
	again();
	expect_bound(2, STRINGS("double:0"));
	struct endpoint endpoint; // there is room for one
	const struct address address = {.host = "double"};
	assert_int_equal(address_resolve(&address, &endpoint, 1, NULL), 1);
}

// [::] is bound first, and here the kernel has no IPv6.
TEST(what_it_takes_in_is_bound_where_it_cannot_be) {
	failures[0][0] = failures[0][1] = EAFNOSUPPORT;
	expect_bound(1, STRINGS("everywhere:0"));
	assert_int_equal(strncmp(inside->server.names[0], "0.0.0.0:", 8), 0);
	again();
	failures[0][0] = EADDRNOTAVAIL;
	expect_bound(1, STRINGS(":0"));
	assert_int_equal(strncmp(inside->server.names[0], "0.0.0.0:", 8), 0);
}

TEST(an_address_where_one_cannot_listen_is_left_out) {
	expect_bound(1, STRINGS("group:0"));
	assert_contains(last_line, "[ff02::1]:0, which is left out");
}

// The message says whether we use it ourselves, not others.
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
		{"[fe80::1%lo]:20009", "[fe80::1%lo]:20009"},
	};
	network_add_address("fe80::1");
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		again();
		if (bind_to(STRINGS(pairs[i][0], pairs[i][1])) == 0)
			fail_msg("%s and %s", pairs[i][0], pairs[i][1]);
		assert_contains(error.message, ": another address to listen on, ");
		assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
	}
	again();
	expect_failure(STRINGS("[fe80::1%lo]:20009", "beyond:20009"), "[fe80::1%99]:20009: ");
}

TEST(no_address_of_a_name_is_left_out_in_silence) {
	crowd = SERVER_MAX_LISTENERS;
	expect_bound(crowd, STRINGS("crowd:20009"));
	again();
	crowd++;
	expect_failure(STRINGS("crowd:20009"), "more than 128 addresses");
	assert_int_equal(inside->server.listener_count, 0);
}

TEST(addresses_apart_get_along) {
	expect_bound(9, STRINGS("127.0.0.1:20009", "127.0.0.2:20009", "[::1]:20009", "127.0.0.1:0",
				"127.0.0.1:0", "0.0.0.0:20010", "unix:@echod-x", "unix:@echod-y",
				"[::ffff:127.0.0.3]:20009"));
}
