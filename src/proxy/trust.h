// The networks whose PROXY headers are believed. Any thread; adding is for one at a time.
#ifndef ECHOD_PROXY_TRUST_H
#define ECHOD_PROXY_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

#define TRUST_NETWORKS 32

struct trust_network {
	sa_family_t family;
	uint8_t bits;		 // of the address that count; the others are 0
	struct in6_addr address; // the first four bytes for IPv4
};

struct trust {
	size_t count;
	struct trust_network networks[TRUST_NETWORKS];
};

extern const struct trust trust_loopback; // 127.0.0.0/8 and ::1

// Adds `10.0.0.0/8`, `2001:db8::/32`, or one address. IPv6 networks contain no IPv4 address.
// Returns 0, or -1 with `error`.
int trust_add(struct trust *trust, const char *text, struct echod_error *error);

// Whether one of the networks contains the peer's address. A Unix-domain socket is trusted: the
// mode of its file says who may connect.
bool trust_covers(const struct trust *trust, const union inet_end *peer);

#endif
