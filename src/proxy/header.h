// The header of the PROXY protocol, versions 1 and 2, with which a proxy begins a connection to say
// for which client it is (HAProxy's doc/proxy-protocol.txt; the sections named here are its). Pure
// functions. Any thread.
#ifndef ECHOD_PROXY_HEADER_H
#define ECHOD_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

#define PROXY_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"	 // version 2 begins with it
#define PROXY_V1_MAX 107			 // bytes of a line, with its CRLF (section 2.1)
#define PROXY_V2_LEAST 16			 // bytes before the addresses (section 2.2)
#define PROXY_HEADER_MAX (PROXY_V2_LEAST + 4096) // our limit; version 2 has room for 65,551 bytes

enum proxy_verdict {
	PROXY_INCOMPLETE, // more bytes are needed
	PROXY_COMPLETE,
	// Refused, whatever follows:
	PROXY_MALFORMED, // or no header at all
	PROXY_TOO_LARGE,
	PROXY_WRONG_CRC,
	PROXY_WRONG_VERSION,
	PROXY_VERDICTS
};

struct proxy_header {
	size_t length;	       // bytes; what follows is the client's
	union inet_end client; // family AF_UNSPEC: none is told, so the peer itself is the client
};

// Judges the first `count` bytes of a connection, at least 1. The call may be repeated with more of
// them; it reads no further than the header. Fills `header` if that is complete. No client is told
// by UNKNOWN, by LOCAL, and for what is not TCP over IPv4 or IPv6; their addresses are not looked
// at. Of what follows the addresses (TLVs) only a CRC-32C is used: it must be right (section
// 2.2.3). In LOCAL nothing is looked at except the length.
enum proxy_verdict proxy_parse(const void *bytes, size_t count, struct proxy_header *header);

#endif
