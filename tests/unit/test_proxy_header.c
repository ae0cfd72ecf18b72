// The header of the PROXY protocol: proxy/header and proxy/send. Headers that must be accepted and
// that must be refused, each cut at every byte, and followed by bytes of the client.
#include "test.h"

#include "peer.h"
#include "proxy/header.h"
#include "proxy/send.h"

#define PAYLOAD "\r\nPROXY TCP4 6.6.6.6 6.6.6.6 6 6\r\n"

#define BYTES(literal) .bytes = (literal), .size = sizeof(literal) - 1
#define V2(rest) BYTES(PROXY_SIGNATURE rest)
#define FOUR "\1\2\3\4\5\6\7\10\0\11\0\7" // 1.2.3.4:9 to 5.6.7.8:7
#define HEX10 "0123456789abcdef"
#define SIX                                     \
	"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
	"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2" \
	"\1\0\2\0"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4"
#define PATHS \
	HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 "01234567"
#define FULL "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
#define TEXT92 HEX10 HEX10 HEX10 HEX10 HEX10 "0123456789ab"

struct row {
	const char *name;
	const char *bytes;
	size_t size, zeros; // and so many zero bytes at the end
	const char *client; // NULL: none is told
	enum proxy_verdict verdict;
};

static const struct row accepted[] = {
	{"TCP4", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 9 7\r\n"), .client = "1.2.3.4:9"},
	{"ports", BYTES("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), .client = "0.0.0.0:0"},
	{"TCP6", BYTES("PROXY TCP6 2001:DB8::1 ::1 65535 1\r\n"), .client = "[2001:db8::1]:65535"},
	{"longest", BYTES("PROXY TCP6 " FULL " " FULL " 65535 65535\r\n"),
	 .client = "[" FULL "]:65535"},
	{"mapped", BYTES("PROXY TCP6 ::ffff:1.2.3.4 ::1 9 7\r\n"), .client = "1.2.3.4:9"},
	{"UNKNOWN", BYTES("PROXY UNKNOWN\r\n")},
	{"UNKNOWN and addresses", BYTES("PROXY UNKNOWN " FULL " " FULL " 65535 65535\r\n")},
	{"UNKNOWN and 92 bytes", BYTES("PROXY UNKNOWN" TEXT92 "\r\n")},
	{"UNKNOWN and control characters", BYTES("PROXY UNKNOWN \n\r\0\xff\n\r\r\n")},
	{"haproxy",
	 V2("\x21\x11\0\x19\x7f\0\0\1\x7f\0\0\1\xe0\x52\x4a\x3b\3\0\4\x83\x5f\x9c\x4c"
	    "\5\0\3"
	    "abc"),
	 .client = "127.0.0.1:57426"},
	{"checksum", V2("\x21\x11\0\x13" FOUR "\3\0\4\x4b\x5d\x1a\x5a"), .client = "1.2.3.4:9"},
	{"v2 TCP4", V2("\x21\x11\0\x0c" FOUR), .client = "1.2.3.4:9"},
	{"v2 TCP6", V2("\x21\x21\0\x24" SIX), .client = "[2001:db8::1]:256"},
	{"v2 mapped", V2("\x21\x21\0\x24" MAPPED MAPPED "\0\11\0\7"), .client = "1.2.3.4:9"},
	{"v2 Unix", V2("\x21\x31\0\xd8" PATHS)},
	{"UDP4", V2("\x21\x12\0\x0c" FOUR)},
	{"UDP6", V2("\x21\x22\0\x24" SIX)},
	{"IPv4 of no transport", V2("\x21\x10\0\x0c" FOUR)},
	{"UNSPEC", V2("\x21\0\0\0")},
	{"UNSPEC and something", V2("\x21\0\0\4\1\2\3\4")},
	{"UNSPEC and TLV", V2("\x21\0\0\4\4\0\1\3")},
	{"LOCAL", V2("\x20\0\0\0")},
	{"LOCAL and addresses", V2("\x20\x11\0\x0c" FOUR)},
	{"LOCAL and something", V2("\x20\xff\0\5\3\0\4zz")},
	{"NOOP of 0", V2("\x21\x11\0\x0f" FOUR "\4\0\0"), .client = "1.2.3.4:9"},
	{"NOOP of 4,000", V2("\x21\x11\x0f\xaf" FOUR "\4\x0f\xa0"), .zeros = 4000,
	 .client = "1.2.3.4:9"},
	{"4,096 bytes", V2("\x21\x11\x10\0" FOUR "\4\x0f\xf1"), .zeros = 4081,
	 .client = "1.2.3.4:9"},
	{"many TLV", V2("\x21\x11\0\x17" FOUR "\1\0\0\xff\0\1x\2\0\1y"), .client = "1.2.3.4:9"},
};

#define MALFORMED .verdict = PROXY_MALFORMED
static const struct row refused[] = {
	{"HTTP", BYTES("GET / HTTP/1.1\r\n\r\n"), MALFORMED},
	{"zero bytes", BYTES("\0\0\0\0"), MALFORMED},
	{"lower case", BYTES("proxy TCP4 1.2.3.4 5.6.7.8 9 7\r\n"), MALFORMED},
	{"lower case TCP4", BYTES("PROXY tcp4 1.2.3.4 5.6.7.8 9 7\r\n"), MALFORMED},
	{"UDP", BYTES("PROXY UDP4 1.2.3.4 5.6.7.8 9 7\r\n"), MALFORMED},
	{"nothing", BYTES("PROXY \r\n"), MALFORMED},
	{"no addresses", BYTES("PROXY TCP4\r\n"), MALFORMED},
	{"no port", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 9\r\n"), MALFORMED},
	{"empty port", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 9 \r\n"), MALFORMED},
	{"one more", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 9 7 5\r\n"), MALFORMED},
	{"space at the end", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 9 7 \r\n"), MALFORMED},
	{"two spaces", BYTES("PROXY TCP4 1.2.3.4  5.6.7.8 9 7\r\n"), MALFORMED},
	{"two spaces before", BYTES("PROXY  TCP4 1.2.3.4 5.6.7.8 9 7\r\n"), MALFORMED},
	{"tab", BYTES("PROXY TCP4 1.2.3.4\t5.6.7.8 9 7\r\n"), MALFORMED},
	{"leading zero", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), MALFORMED},
	{"leading zero in an address", BYTES("PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n"), MALFORMED},
	{"port 65536", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n"), MALFORMED},
	{"port 99999", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 9 99999\r\n"), MALFORMED},
	{"long port", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 4294967305 2\r\n"), MALFORMED},
	{"sign", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n"), MALFORMED},
	{"minus", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 -2\r\n"), MALFORMED},
	{"hex port", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 0x1 2\r\n"), MALFORMED},
	{"short address", BYTES("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n"), MALFORMED},
	{"large address", BYTES("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"), MALFORMED},
	{"bad destination", BYTES("PROXY TCP4 1.2.3.4 5.6.7 1 2\r\n"), MALFORMED},
	{"IPv6 in TCP4", BYTES("PROXY TCP4 ::1 ::1 1 2\r\n"), MALFORMED},
	{"IPv4 in TCP6", BYTES("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"), MALFORMED},
	{"zone", BYTES("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"), MALFORMED},
	{"brackets", BYTES("PROXY TCP6 [::1] ::1 1 2\r\n"), MALFORMED},
	{"zero byte", BYTES("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"), MALFORMED},
	{"zero byte at the end", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0\r\n"), MALFORMED},
	{"LF only", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"), MALFORMED},
	{"CR in it", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8\r1 2\r\n"), MALFORMED},
	{"LF in it", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8\n1 2\r\n"), MALFORMED},
	{"two CR", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n"), MALFORMED},
	{"108 bytes", BYTES("PROXY UNKNOWN " TEXT92 "\r\n"), .verdict = PROXY_TOO_LARGE},
	{"no end", BYTES("PROXY TCP4 " TEXT92 TEXT92), .verdict = PROXY_TOO_LARGE},
	{"version 1", V2("\x11\x11\0\x0c" FOUR), .verdict = PROXY_WRONG_VERSION},
	{"version 3", V2("\x31\x11\0\x0c" FOUR), .verdict = PROXY_WRONG_VERSION},
	{"version 0", V2("\x01\x11\0\x0c" FOUR), .verdict = PROXY_WRONG_VERSION},
	{"command 2", V2("\x22\x11\0\x0c" FOUR), MALFORMED},
	{"command 15", V2("\x2f\x11\0\x0c" FOUR), MALFORMED},
	{"family 4", V2("\x21\x41\0\x0c" FOUR), MALFORMED},
	{"family 15", V2("\x21\xf1\0\x0c" FOUR), MALFORMED},
	{"transport 3", V2("\x21\x13\0\x0c" FOUR), MALFORMED},
	{"transport 15", V2("\x21\x0f\0\0"), MALFORMED},
	{"IPv4 in 11 bytes", V2("\x21\x11\0\x0b" FOUR), MALFORMED},
	{"IPv4 in no byte", V2("\x21\x11\0\0"), MALFORMED},
	{"UDP in 11 bytes", V2("\x21\x12\0\x0b" FOUR), MALFORMED},
	{"IPv6 in 35 bytes", V2("\x21\x21\0\x23" SIX), MALFORMED},
	{"paths in 215 bytes", V2("\x21\x31\0\xd7" PATHS), MALFORMED},
	{"4,097 bytes", V2("\x21\x11\x10\1" FOUR), .zeros = 4085, .verdict = PROXY_TOO_LARGE},
	{"65,535 bytes", V2("\x21\x11\xff\xff" FOUR), .verdict = PROXY_TOO_LARGE},
	{"LOCAL of 4,097 bytes", V2("\x20\0\x10\1" FOUR), .verdict = PROXY_TOO_LARGE},
	{"wrong signature", BYTES("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" FOUR), MALFORMED},
	{"empty lines", BYTES("\r\n\r\n\r\n"), MALFORMED},
	{"TLV past the end", V2("\x21\x11\0\x0f" FOUR "\4\0\1"), MALFORMED},
	{"TLV far past the end", V2("\x21\x11\0\x10" FOUR "\4\xff\xff\0"), MALFORMED},
	{"TLV of one byte", V2("\x21\x11\0\x0d" FOUR "\4"), MALFORMED},
	{"TLV of two bytes", V2("\x21\x11\0\x0e" FOUR "\4\0"), MALFORMED},
	{"second TLV past the end", V2("\x21\x11\0\x12" FOUR "\4\0\0\4\0\1"), MALFORMED},
	{"TLV behind no client", V2("\x21\x12\0\x0f" FOUR "\4\0\1"), MALFORMED},
	{"checksum of 3 bytes", V2("\x21\x11\0\x12" FOUR "\3\0\3\x4b\x5d\x1a"), MALFORMED},
	{"checksum of 5 bytes", V2("\x21\x11\0\x14" FOUR "\3\0\5\x4b\x5d\x1a\x5a\0"), MALFORMED},
	{"two checksums", V2("\x21\x11\0\x1a" FOUR "\3\0\4\0\0\0\0\3\0\4\0\0\0\0"), MALFORMED},
	{"wrong checksum", V2("\x21\x11\0\x13" FOUR "\3\0\4\x4b\x5d\x1a\x5b"),
	 .verdict = PROXY_WRONG_CRC},
	{"checksum of another client",
	 V2("\x21\x11\0\x13\1\2\3\5\5\6\7\10\0\11\0\7\3\0\4\x4b\x5d\x1a\x5a"),
	 .verdict = PROXY_WRONG_CRC},
	{"wrong checksum of UNSPEC", V2("\x21\0\0\7\3\0\4\0\0\0\0"), .verdict = PROXY_WRONG_CRC},
};

static struct proxy_header header;

// Judges a copy that ends where its memory ends, so that a sanitizer sees what lies behind it.
static enum proxy_verdict judge(const void *bytes, size_t count) {
	void *copy = malloc(count);
	assert_non_null(copy);
	memcpy(copy, bytes, count);
	enum proxy_verdict verdict = proxy_parse(copy, count, &header);
	free(copy);
	return verdict;
}

// The row's bytes, its zeros and a payload. Returns the size without the payload.
static size_t lay_out(const struct row *row, char bytes[2 * PROXY_HEADER_MAX]) {
	size_t size = row->size + row->zeros;
	memset(bytes, 0, 2 * PROXY_HEADER_MAX);
	memcpy(bytes, row->bytes, row->size);
	memcpy(bytes + size, PAYLOAD, sizeof(PAYLOAD));
	return size;
}

static void expect_client(const char *client) {
	char text[ADDRESS_TEXT_SIZE];
	if (client)
		assert_string_equal(inet_end_format(&header.client, text), client);
	else
		assert_int_equal(header.client.any.sa_family, AF_UNSPEC);
}

TEST_ROWS(accepts, const struct row *row, accepted) {
	char bytes[2 * PROXY_HEADER_MAX];
	size_t size = lay_out(row, bytes);
	for (size_t count = 1; count < size; count++)
		if (judge(bytes, count) != PROXY_INCOMPLETE)
			fail_msg("not incomplete after %zu of %zu bytes", count, size);
	for (size_t count = size; count <= size + sizeof(PAYLOAD); count++) {
		assert_int_equal(judge(bytes, count), PROXY_COMPLETE);
		assert_int_equal(header.length, size);
		expect_client(row->client);
	}
}

// Early or late, but never for another reason, and without a byte of a payload.
TEST_ROWS(refuses, const struct row *row, refused) {
	char bytes[2 * PROXY_HEADER_MAX];
	size_t size = lay_out(row, bytes);
	bool is_refused = false;
	for (size_t count = 1; count <= size + sizeof(PAYLOAD); count++) {
		enum proxy_verdict verdict = judge(bytes, count);
		if (verdict != row->verdict && (is_refused || verdict != PROXY_INCOMPLETE))
			fail_msg("verdict %d after %zu of %zu bytes", verdict, count, size);
		is_refused = verdict == row->verdict;
		if (count >= size)
			assert_true(is_refused);
	}
}

// As it is sent, and as it is understood.
static void writes(enum proxy_kind kind, const char *source, const char *destination,
		   const void *bytes, size_t size, const char *client) {
	char written[PROXY_V1_MAX];
	const struct endpoint from = peer_endpoint(source), to = peer_endpoint(destination);
	const union inet_end ends[] = {inet_end_from(&from), inet_end_from(&to)};
	assert_int_equal(proxy_write(kind, &ends[0], &ends[1], written), size);
	assert_memory_equal(written, bytes, size);
	assert_int_equal(judge(written, size), PROXY_COMPLETE);
	assert_int_equal(header.length, size);
	expect_client(client);
}

#define WRITES(kind, source, destination, literal, client) \
	writes(kind, source, destination, literal, sizeof(literal) - 1, client)

TEST(headers_are_written_as_they_are_read) {
	WRITES(PROXY_V1, "1.2.3.4:9", "5.6.7.8:7", "PROXY TCP4 1.2.3.4 5.6.7.8 9 7\r\n",
	       "1.2.3.4:9");
	WRITES(PROXY_V1, "[2001:db8::1]:65535", "[::1]:1", "PROXY TCP6 2001:db8::1 ::1 65535 1\r\n",
	       "[2001:db8::1]:65535");
	WRITES(PROXY_V1, "[" FULL "]:65535", "[" FULL "]:65535",
	       "PROXY TCP6 " FULL " " FULL " 65535 65535\r\n", "[" FULL "]:65535");
	WRITES(PROXY_V1, "unix:/a", "unix:/b", "PROXY UNKNOWN\r\n", NULL);
	WRITES(PROXY_V2, "1.2.3.4:9", "5.6.7.8:7", PROXY_SIGNATURE "\x21\x11\0\x0c" FOUR,
	       "1.2.3.4:9");
	WRITES(PROXY_V2, "[2001:db8::1]:256", "[2001:db8::2]:512",
	       PROXY_SIGNATURE "\x21\x21\0\x24" SIX, "[2001:db8::1]:256");
	WRITES(PROXY_V2, "unix:/a", "unix:/b", PROXY_SIGNATURE "\x21\0\0\0", NULL);
	WRITES(PROXY_LOCAL, "1.2.3.4:9", "5.6.7.8:7", PROXY_SIGNATURE "\x20\0\0\0", NULL);
	WRITES(PROXY_LOCAL, "unix:/a", "unix:/b", PROXY_SIGNATURE "\x20\0\0\0", NULL);
}
