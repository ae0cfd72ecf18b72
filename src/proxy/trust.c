#include "proxy/trust.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/units.h"

const struct trust trust_loopback = {
	.count = 2,
	.networks = {{AF_INET, 8, .address.s6_addr = {127}},
		     {AF_INET6, 128, .address = IN6ADDR_LOOPBACK_INIT}},
};

// Whether both addresses begin with the same `bits` bits.
static bool share_prefix(const uint8_t *one, const uint8_t *other, unsigned bits)
{
	unsigned rest = bits % 8;
	return memcmp(one, other, bits / 8) == 0 &&
	       (rest == 0 || (one[bits / 8] ^ other[bits / 8]) >> (8 - rest) == 0);
}

static bool parse(const char *text, struct trust_network *network)
{
	char address[INET6_ADDRSTRLEN];
	uint8_t *bytes = network->address.s6_addr;
	const char *slash = strchrnul(text, '/');
	size_t length = (size_t)(slash - text);
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	network->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	uint64_t most = network->family == AF_INET ? 32 : 128;
	uint64_t bits = most;
	if (inet_pton(network->family, address, &network->address) != 1 ||
	    (*slash && units_parse_count(slash + 1, 0, most, &bits, NULL) != 0))
		return false;
	for (uint64_t i = bits; i < most; i++) {
		if (bytes[i / 8] & (0x80 >> (i % 8)))
			return false;
	}
	network->bits = (uint8_t)bits;
	return true;
}

int trust_add(struct trust *trust, const char *text, struct echod_error *error)
{
	struct trust_network network = {0};
	if (!parse(text, &network))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a network, such as 10.0.0.0/8 or 2001:db8::/32 "
				 "(all bits after the prefix are 0), nor an address",
				 text);
	if (trust->count == TRUST_NETWORKS)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is one too many: at most %d networks", text,
				 TRUST_NETWORKS);
	trust->networks[trust->count++] = network;
	return 0;
}

bool trust_covers(const struct trust *trust, const union inet_end *peer)
{
	int family = peer->any.sa_family;
	const void *address = family == AF_INET ? (const void *)&peer->v4.sin_addr
						: (const void *)&peer->v6.sin6_addr;
	bool covered = family == AF_UNIX;
	for (size_t i = 0; i < trust->count && !covered; i++) {
		const struct trust_network *network = &trust->networks[i];
		covered = network->family == family &&
			  share_prefix(network->address.s6_addr, address, network->bits);
	}
	return covered;
}
