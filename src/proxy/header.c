#include "proxy/header.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define V1_BEGINNING "PROXY "
#define V1_UNKNOWN "PROXY UNKNOWN"
#define V1_FIELDS 6
#define TLV_HEAD 3 // its type and its length
#define TLV_CRC32C 3
#define POLYNOMIAL UINT32_C(0x82f63b78) // of CRC-32C, lowest bit first (RFC 3720, appendix B.4)

enum { LOCAL, PROXY };			    // commands
enum { UNSPEC, INET, INET6, FAMILIES = 4 }; // and Unix-domain sockets
enum { STREAM = 1, TRANSPORTS = 3 };

// Whether the bytes begin as `beginning` does, as far as they go.
static bool may_begin(const void *bytes, size_t count, const char *beginning, size_t length)
{
	return memcmp(bytes, beginning, count < length ? count : length) == 0;
}

// A port without leading zeros.
static bool read_port(const char *text, in_port_t *port)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 5 || text[digits] || (text[0] == '0' && digits > 1))
		return false;
	unsigned long number = strtoul(text, NULL, 10);
	*port = htons((uint16_t)number);
	return number <= UINT16_MAX;
}

// Reads `PROXY TCP4 SOURCE DESTINATION PORT PORT`, and splits it in place.
static bool read_line(char *line, union inet_end *client)
{
	char *fields[V1_FIELDS];
	struct endpoint source = {0}, destination = {0};
	for (size_t i = 0; i < V1_FIELDS; i++) {
		if (!line)
			return false;
		fields[i] = strsep(&line, " ");
	}
	bool is_ipv4 = strcmp(fields[1], "TCP4") == 0;
	if (line || (!is_ipv4 && strcmp(fields[1], "TCP6") != 0))
		return false;
	int family = is_ipv4 ? AF_INET : AF_INET6;
	source.as.any.sa_family = (sa_family_t)family;
	void *from = is_ipv4 ? (void *)&source.as.v4.sin_addr : &source.as.v6.sin6_addr;
	void *to = is_ipv4 ? (void *)&destination.as.v4.sin_addr : &destination.as.v6.sin6_addr;
	// The port is at the same place for both families.
	if (inet_pton(family, fields[2], from) != 1 || inet_pton(family, fields[3], to) != 1 ||
	    !read_port(fields[4], &source.as.v4.sin_port) ||
	    !read_port(fields[5], &destination.as.v4.sin_port))
		return false;
	*client = inet_end_from(&source);
	return true;
}

// Nothing is decoded before CRLF has come. A lone CR or LF ends no line (section 2.1).
static enum proxy_verdict parse_v1(const char *bytes, size_t count, struct proxy_header *header)
{
	char line[PROXY_V1_MAX];
	size_t limit = count < PROXY_V1_MAX ? count : PROXY_V1_MAX;
	const char *end = memmem(bytes, limit, "\r\n", 2);
	bool is_unknown =
		count >= strlen(V1_UNKNOWN) && memcmp(bytes, V1_UNKNOWN, strlen(V1_UNKNOWN)) == 0;
	if (!end && !is_unknown && memchr(bytes, '\n', limit))
		return PROXY_MALFORMED;
	if (!end)
		return limit == PROXY_V1_MAX ? PROXY_TOO_LARGE : PROXY_INCOMPLETE;
	size_t length = (size_t)(end - bytes);
	header->length = length + 2;
	if (is_unknown)
		return PROXY_COMPLETE;
	memcpy(line, bytes, length);
	line[length] = '\0';
	return strlen(line) == length && read_line(line, &header->client) ? PROXY_COMPLETE
									  : PROXY_MALFORMED;
}

static size_t number_at(const uint8_t *bytes)
{
	return (size_t)(bytes[0] << 8 | bytes[1]);
}

// The CRC-32C of the bytes, as if the four at `hole` were zero.
static uint32_t checksum(const uint8_t *bytes, size_t count, size_t hole)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < count; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
	}
	return ~crc;
}

// Walks the TLVs from `at` to the end of the header.
static enum proxy_verdict check_tlvs(const uint8_t *bytes, size_t at, size_t end)
{
	size_t crc = 0; // where it is
	while (at < end) {
		if (end - at < TLV_HEAD)
			return PROXY_MALFORMED;
		size_t length = number_at(bytes + at + 1);
		if (length > end - at - TLV_HEAD)
			return PROXY_MALFORMED;
		if (bytes[at] == TLV_CRC32C) {
			if (crc || length != sizeof(uint32_t))
				return PROXY_MALFORMED;
			crc = at + TLV_HEAD;
		}
		at += TLV_HEAD + length;
	}
	if (!crc)
		return PROXY_COMPLETE;
	uint32_t told;
	memcpy(&told, bytes + crc, sizeof(told));
	return ntohl(told) == checksum(bytes, end, crc) ? PROXY_COMPLETE : PROXY_WRONG_CRC;
}

// The source in an address block: two addresses, then two ports.
static union inet_end source_in(const uint8_t *block, unsigned family)
{
	struct endpoint source = {0};
	struct in6_addr *v6 = &source.as.v6.sin6_addr;
	struct in_addr *v4 = &source.as.v4.sin_addr;
	source.as.any.sa_family = family == INET ? AF_INET : AF_INET6;
	size_t size = family == INET ? sizeof(*v4) : sizeof(*v6);
	memcpy(family == INET ? (void *)v4 : v6, block, size);
	memcpy(&source.as.v4.sin_port, block + 2 * size, sizeof(in_port_t));
	return inet_end_from(&source);
}

static enum proxy_verdict parse_v2(const uint8_t *bytes, size_t count, struct proxy_header *header)
{
	static const size_t blocks[FAMILIES] = {0, 12, 36, 216}; // bytes of the addresses
	if (count <= 12)
		return PROXY_INCOMPLETE;
	unsigned command = bytes[12] & 15;
	if (bytes[12] >> 4 != 2)
		return PROXY_WRONG_VERSION;
	if (command > PROXY)
		return PROXY_MALFORMED;
	if (count < PROXY_V2_LEAST)
		return PROXY_INCOMPLETE;
	unsigned family = bytes[13] >> 4;
	unsigned transport = bytes[13] & 15;
	size_t length = PROXY_V2_LEAST + number_at(bytes + 14);
	if (length > PROXY_HEADER_MAX)
		return PROXY_TOO_LARGE;
	if (command == PROXY && (family >= FAMILIES || transport >= TRANSPORTS ||
				 length < PROXY_V2_LEAST + blocks[family]))
		return PROXY_MALFORMED;
	if (count < length)
		return PROXY_INCOMPLETE;
	header->length = length;
	if (command == LOCAL)
		return PROXY_COMPLETE;
	if (transport == STREAM && (family == INET || family == INET6))
		header->client = source_in(bytes + PROXY_V2_LEAST, family);
	enum proxy_verdict verdict = check_tlvs(bytes, PROXY_V2_LEAST + blocks[family], length);
	// With UNSPEC there may be addresses of any kind before them.
	return family == UNSPEC && verdict == PROXY_MALFORMED ? PROXY_COMPLETE : verdict;
}

enum proxy_verdict proxy_parse(const void *bytes, size_t count, struct proxy_header *header)
{
	*header = (struct proxy_header){0};
	if (may_begin(bytes, count, PROXY_SIGNATURE, sizeof(PROXY_SIGNATURE) - 1))
		return parse_v2(bytes, count, header);
	if (may_begin(bytes, count, V1_BEGINNING, strlen(V1_BEGINNING)))
		return parse_v1(bytes, count, header);
	return PROXY_MALFORMED;
}
