// Addresses: net/address.
#include "expect.h"

#include <arpa/inet.h>

#include "net/address.h"

#define LONGEST_PATH 107

static struct address address;
static struct endpoint endpoint;
static struct echod_error error;

static void check_taken(const char *text, const char *host, uint16_t port) {
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_false(address.is_unix);
	assert_string_equal(address.host, host);
	assert_int_equal(address.port, port);
	char written[ADDRESS_WRITTEN_SIZE];
	struct address again;
	assert_int_equal(address_parse(address_format(&address, written), &again, NULL), 0);
	assert_string_equal(again.host, host);
	assert_int_equal(again.port, port);
}

TEST(parse_takes_every_form) {
	check_taken("127.0.0.1:65432", "127.0.0.1", 65432);
	check_taken("[::1]:7000", "::1", 7000);
	check_taken("[fe80::1%lo]:7", "fe80::1%lo", 7);
	check_taken(":7000", "", 7000);
	check_taken("localhost:0", "localhost", 0);
	check_taken(":0", "", 0);
	check_taken("[127.0.0.1]:1", "127.0.0.1", 1);
	check_taken("a.b-c_d:65535", "a.b-c_d", 65535);
	check_taken("*:7000", "", 7000);
	check_taken("*.a:1", "*.a", 1);
	check_taken("[unix]:7", "unix", 7);
}

TEST(parse_takes_paths) {
	const char *const *path = STRINGS("/run/echod.sock", "relative", "/a:b:7", "[::1]:7", " ",
					  "@name", "@@", "@/a b\xe9", "./@file");
	for (; *path; path++) {
		const char *text = test_text("unix:%s", *path);
		assert_int_equal(address_parse(text, &address, NULL), 0);
		assert_true(address.is_unix);
		assert_string_equal(address.path, *path);
		assert_string_equal(address_format(&address, (char[ADDRESS_WRITTEN_SIZE]){""}),
				    text);
		assert_int_equal(address_from_host(text, "7", &address, NULL), 0);
		assert_true(address.is_unix);
		assert_string_equal(address.path, *path);
	}
}

static void expect_beginning(int result, enum echod_error_kind kind, const char *message) {
	assert_ptr_equal(strstr(error.message, message), error.message);
	assert_error(result, &error, kind, message);
}

static const struct bad {
	const char *message, *texts[8]; // the message begins with the text in quotes, and this
} bad[] = {
	{" is not an address; allowed: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, unix:@NAME", {""}},
	{" is not an address; ",
	 {"localhost", "7000", "[::1]", "[::1]7000", "[::1:7000", "[]:7000", "["}},
	{" is not an address; ", {"[[::1]:7"}},
	{" is ambiguous: write an IPv6 address as [ADDRESS]:PORT", {"::1"}},
	{" is ambiguous", {"::1:7000", "a:1:2"}},
	{": port '' is not a whole number from 0 to 65535", {"host:"}},
	{": port '65536' is not a whole number from 0 to 65535", {"host:65536"}},
	{": port '-1' is not", {"host:-1"}},
	{": port 'http' is not", {"host:http"}},
	{": port '7x' is not", {"host:7x"}},
	{": port ' 7' is not", {"host: 7"}},
	{": port '' is not", {"[::1]:"}},
	{": port '7:8' is not", {"[::1]:7:8"}},
	{": '' names no socket: write its PATH, or @NAME if it has no file; allowed: ", {"unix:"}},
	{": '@' names no socket: ", {"unix:@"}},
	{": 'unix:a' names no socket: ", {"unix:unix:a"}},
};

TEST_ROWS(parse_refuses, const struct bad *row, bad) {
	for (const char *const *text = row->texts; *text; text++) {
		int result = address_parse(*text, &address, &error);
		expect_beginning(result, ECHOD_ERROR_USAGE,
				 test_text("'%s'%s", *text, row->message));
	}
}

// The text of the first endpoint that `text` resolves to.
static const char *resolved(const char *text) {
	static char formatted[ADDRESS_TEXT_SIZE];
	assert_int_equal(address_parse(text, &address, &error), 0);
	if (address_resolve(&address, &endpoint, 1, &error) < 1)
		fail_msg("%s", error.message);
	assert_ptr_equal(endpoint_format(&endpoint, formatted), formatted);
	return formatted;
}

// `head` comes before the bytes that count; `message` begins the one about a byte too many.
static void check_longest(const char *head, const char *message) {
	char text[5 + 1 + LONGEST_PATH + 2] = "unix:";
	strcat(text, head);
	size_t start = strlen(text);
	memset(text + start, 'p', LONGEST_PATH);
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_string_equal(address.path, text + 5);
	assert_string_equal(resolved(text), text);
	text[start + LONGEST_PATH] = 'p';
	assert_int_equal(address_parse(text, &address, &error), -1);
	assert_contains(error.message, "...' has 108 bytes, a socket's at most 107");
	assert_error(-1, &error, ECHOD_ERROR_USAGE, message);
}

TEST(a_path_has_room_for_107_bytes_and_a_host_for_255) {
	check_longest("", "the path 'ppp");
	check_longest("@", "the name '@ppp");
	char text[300];
	memset(text, 'h', 256);
	strcpy(text + 255, ":7");
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_int_equal(strlen(address.host), 255);
	text[255] = 'h';
	strcpy(text + 256, ":7");
	assert_error(address_parse(text, &address, &error), &error, ECHOD_ERROR_USAGE,
		     "is too long");
	text[256] = '\0';
	assert_error(address_from_host(text, "7", &address, &error), &error, ECHOD_ERROR_USAGE,
		     "is too long");
}

TEST(clients_give_host_and_port_apart) {
	static const char *const hosts[][2] = {{"127.0.0.1", "127.0.0.1"},
					       {"::1", "::1"},
					       {"[::1]", "::1"},
					       {"x", "x"},
					       {"[xy", "[xy"}};
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		assert_int_equal(address_from_host(hosts[i][0], "7", &address, NULL), 0);
		assert_string_equal(address.host, hosts[i][1]);
		assert_int_equal(address.port, 7);
	}
	for (const char *const *port = STRINGS("0", "65536", "", "http", "-1", "7 "); *port; port++)
		assert_error(address_from_host("x", *port, &address, &error), &error,
			     ECHOD_ERROR_USAGE, "is not a whole number from 1 to 65535");
	assert_int_equal(address_from_host("", "7", &address, &error), -1);
	assert_string_equal(error.message, "the host is empty");
}

TEST(resolve_and_format_are_each_others_inverse,
     .with = {"127.0.0.1:65432", "[::1]:7000", "0.0.0.0:0", "[2001:db8::1:0:0:2]:65535",
	      "unix:/run/x.sock", "[::ffff:10.1.2.3]:7", "unix:@name", "unix:./@file"}) {
	assert_string_equal(resolved(test_with()), test_with());
}

TEST(resolve_gives_each_address_once) {
	assert_string_equal(resolved(":7000"), "[::]:7000");
	struct endpoint endpoints[16];
	assert_int_equal(address_parse("localhost:7", &address, NULL), 0);
	int count = address_resolve(&address, endpoints, COUNT_OF(endpoints), NULL);
	assert_in_range(count, 1, COUNT_OF(endpoints));
	for (int i = 0; i < count; i++) {
		char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
		endpoint_format(&endpoints[i], one);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(one, endpoint_format(&endpoints[k], other));
	}
	assert_int_equal(address_resolve(&address, endpoints, 1, NULL), 1);
}

static void expect_unresolved(const char *text, enum echod_error_kind kind, const char *message) {
	assert_int_equal(address_parse(text, &address, NULL), 0);
	expect_beginning(address_resolve(&address, &endpoint, 1, &error), kind, message);
}

TEST(resolve_names_the_host_it_cannot_find) {
	expect_unresolved("no..such..host:7", ECHOD_ERROR_SYSTEM,
			  "cannot find host 'no..such..host': ");
	expect_unresolved("[no..such..host%lo]:7", ECHOD_ERROR_SYSTEM,
			  "cannot find host 'no..such..host%lo': ");
	address = (struct address){.is_unix = true}; // not from address_parse
	expect_beginning(address_resolve(&address, &endpoint, 1, &error), ECHOD_ERROR_USAGE, "''");
	for (const char *const *none = STRINGS("", "localhost"); *none; none++)
		expect_beginning(endpoint_from_ip(*none, &endpoint, &error), ECHOD_ERROR_USAGE,
				 test_text("'%s' is not an IP address", *none));
}

TEST(a_host_of_one_character_is_no_wildcard) { assert_string_equal(resolved("0:7"), "0.0.0.0:7"); }

TEST(a_link_local_address_needs_its_interface) {
	expect_unresolved("[fe80::1]:7", ECHOD_ERROR_USAGE,
			  "'fe80::1': a link-local address needs %INTERFACE: [fe80::1%eth0]:PORT");
	expect_unresolved("[febf::1]:7", ECHOD_ERROR_USAGE,
			  "'febf::1': a link-local address needs %INTERFACE");
	expect_unresolved("[fe80::1%no-such]:7", ECHOD_ERROR_SYSTEM,
			  "'fe80::1%no-such': there is no interface 'no-such'");
	assert_string_equal(resolved("[fe80::1%lo]:7"), "[fe80::1%lo]:7");
	assert_int_equal(endpoint_from_ip("fe80::1%lo", &endpoint, &error), 0);
	assert_int_equal(endpoint.as.v6.sin6_scope_id, 1);
	assert_error(endpoint_from_ip("fe80::1", &endpoint, &error), &error, ECHOD_ERROR_USAGE,
		     "needs %INTERFACE");
}

// `length` is that of the path, which follows the family.
static void check_from_kernel(const char *path, size_t length, const char *wanted) {
	endpoint = (struct endpoint){
		.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
		.as.local.sun_family = AF_UNIX};
	memcpy(endpoint.as.local.sun_path, path, length < 6 ? length : 2);
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(endpoint_format(&endpoint, text), wanted);
	assert_int_equal(endpoint_is_abstract(&endpoint), strchr(wanted, '@') != NULL);
}

TEST(addresses_of_the_kernel_are_formatted) {
	check_from_kernel("", 0, "unix"); // a client that is not bound
	check_from_kernel("p", 1, "unix:p");
	check_from_kernel("p", 2, "unix:p");
	check_from_kernel("p", 108, "unix:p"); // filled up with zero bytes
	check_from_kernel("\0name", 5, "unix:@name");
	check_from_kernel("\0a\0b", 4, "unix:@a@b");
	check_from_kernel("\0", 1, "unix:@");
	char text[ADDRESS_TEXT_SIZE];
	endpoint.as.any.sa_family = AF_INET; // of a length that it cannot have
	assert_string_equal(endpoint_format(&endpoint, text), "?");
	assert_false(endpoint_is_abstract(&endpoint));
}

static const char *end_of(const char *text) {
	static char formatted[ADDRESS_TEXT_SIZE];
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_int_equal(address_resolve(&address, &endpoint, 1, NULL), 1);
	union inet_end end = inet_end_from(&endpoint);
	return inet_end_format(&end, formatted);
}

TEST(ends_keep_the_address) {
	assert_string_equal(end_of("127.0.0.1:7"), "127.0.0.1:7");
	assert_string_equal(end_of("[::1]:7"), "[::1]:7");
	assert_string_equal(end_of("[2001:db8::1]:65535"), "[2001:db8::1]:65535");
	assert_string_equal(end_of("unix:/run/x"), "unix");
	// One that is mapped becomes IPv4 again.
	assert_string_equal(end_of("[::ffff:10.1.2.3]:7"), "10.1.2.3:7");
	endpoint = (struct endpoint){.length = sizeof(endpoint.as.v6),
				     .as.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(7)}};
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.1.2.3", &endpoint.as.v6.sin6_addr), 1);
	union inet_end end = inet_end_from(&endpoint);
	assert_int_equal(end.v4.sin_family, AF_INET);
	assert_int_equal(end.v4.sin_addr.s_addr, inet_addr("10.1.2.3"));
	assert_int_equal(end.v4.sin_port, htons(7));
}
