// The networks whose PROXY headers are believed: proxy/trust.
#include "expect.h"

#include "peer.h"
#include "proxy/trust.h"

static struct trust trust;

BEFORE_EACH { trust = (struct trust){0}; }

static bool covers(const char *address) {
	const struct endpoint peer = peer_endpoint(address);
	const union inet_end end = inet_end_from(&peer);
	return trust_covers(&trust, &end);
}

static const struct network {
	const char *text, *in[4], *out[4];
} networks[] = {
	{"10.0.0.0/8",
	 {"10.0.0.0:1", "10.255.255.255:1", "[::ffff:10.1.2.3]:1"},
	 {"9.255.255.255:1", "11.0.0.0:1", "[::10.1.2.3]:1"}},
	{"192.0.2.128/25", {"192.0.2.128:1", "192.0.2.255:1"}, {"192.0.2.127:1", "192.0.3.128:1"}},
	{"192.0.2.1", {"192.0.2.1:1"}, {"192.0.2.0:1", "192.0.2.3:1"}},
	{"192.0.2.2/31", {"192.0.2.2:1", "192.0.2.3:1"}, {"192.0.2.1:1", "192.0.2.4:1"}},
	{"0.0.0.0/0",
	 {"0.0.0.0:1", "255.255.255.255:1", "[::ffff:1.2.3.4]:1"},
	 {"[::]:1", "[2001:db8::1]:1"}},
	{"::/0", {"[::]:1", "[2001:db8::1]:1"}, {"1.2.3.4:1", "[::ffff:1.2.3.4]:1"}},
	{"::1", {"[::1]:1"}, {"[::]:1", "[::2]:1", "127.0.0.1:1"}},
	{"2001:DB8::/33", {"[2001:db8:7fff::1]:1"}, {"[2001:db8:8000::]:1", "[2001:db9::]:1"}},
	{"::ffff:10.0.0.0/104", {NULL}, {"10.1.2.3:1", "[::1]:1"}},
};

TEST_ROWS(network, const struct network *row, networks) {
	assert_int_equal(trust_add(&trust, row->text, NULL), 0);
	for (size_t i = 0; i < COUNT_OF(row->in) && row->in[i]; i++)
		assert_true(covers(row->in[i]));
	for (size_t i = 0; i < COUNT_OF(row->out) && row->out[i]; i++)
		assert_false(covers(row->out[i]));
}

TEST(nobody_is_trusted_without_a_network_except_over_a_unix_domain_socket) {
	assert_false(covers("127.0.0.1:1"));
	assert_false(covers("[::1]:1"));
	assert_true(covers("unix:/a"));
}

TEST(networks_add_up_to_a_limit) {
	struct echod_error error = {0};
	for (int i = 0; i < TRUST_NETWORKS; i++) {
		const char *one = test_text("ffff:ffff:ffff:ffff:ffff:ffff:ffff:%x", 0x8000 + i);
		assert_int_equal(trust_add(&trust, one, NULL), 0);
	}
	assert_true(covers("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:8000]:1"));
	assert_true(covers("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:801f]:1"));
	assert_false(covers("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:8020]:1"));
	assert_error(trust_add(&trust, "::1", &error), &error, ECHOD_ERROR_USAGE,
		     "'::1' is one too many: at most 32 networks");
}

TEST(what_is_no_network_is_refused) {
	const char *const *text =
		STRINGS("", "/", "/8", "10", "10.0.0/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
			"10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0",
			"10.0.0.1/8", "010.0.0.0/8", "::1/129", "::1/0", "2001:db8::1/64", "[::1]",
			"fe80::1%lo", "localhost", "any", "unix:/a", "::ffff:10.0.0.1/104",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	for (; *text; text++) {
		struct echod_error error = {0};
		assert_error(trust_add(&trust, *text, &error), &error, ECHOD_ERROR_USAGE,
			     test_text("'%s' is not a network, such as 10.0.0.0/8", *text));
		assert_int_equal(trust.count, 0);
	}
}
