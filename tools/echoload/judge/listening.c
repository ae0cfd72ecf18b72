// Who listens where, from /proc/net. Any thread.
#include "listening.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTS 0x10000 // of the flags in /proc/net/unix
#define LISTENING 0x0a	// of the states in /proc/net/tcp
#define WORD 8		// hexadecimal digits of 32 bits of an address there

static unsigned long find_local(const char *path)
{
	char line[512], name[256];
	unsigned long inode = 0;
	FILE *file = fopen("/proc/net/unix", "re");
	while (file && inode == 0 && fgets(line, sizeof(line), file)) {
		unsigned flags;
		unsigned long found;
		if (sscanf(line, "%*s %*x %*x %x %*x %*x %lu %255[^\n]", &flags, &found, name) ==
			    3 &&
		    (flags & ACCEPTS) && strcmp(name, path) == 0)
			inode = found;
	}
	if (file)
		fclose(file);
	return inode;
}

static bool is_loopback(const union inet_end *end)
{
	return end->any.sa_family == AF_INET
		       ? ntohl(end->v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET
		       : IN6_IS_ADDR_LOOPBACK(&end->v6.sin6_addr);
}

// Whether what is sent there stays on this machine.
static bool is_ours(const union inet_end *end)
{
	if (is_loopback(end))
		return true;
	struct ifaddrs *all;
	if (getifaddrs(&all) != 0)
		return false;
	bool found = false;
	for (const struct ifaddrs *each = all; each && !found; each = each->ifa_next) {
		union inet_end own = {0};
		if (each->ifa_addr && each->ifa_addr->sa_family == end->any.sa_family) {
			memcpy(&own, each->ifa_addr,
			       end->any.sa_family == AF_INET ? sizeof(own.v4) : sizeof(own.v6));
			found = inet_end_same_address(&own, end);
		}
	}
	freeifaddrs(all);
	return found;
}

// An address as the table has it: 32 bits at a time, each as this machine would read them.
static union inet_end read_address(const char *digits, unsigned port)
{
	union inet_end end = {.any.sa_family = AF_INET};
	uint32_t word[4] = {0};
	size_t count = strlen(digits) / WORD;
	for (size_t i = 0; i < count && i < sizeof(word) / sizeof(word[0]); i++) {
		char text[WORD + 1] = "";
		memcpy(text, digits + i * WORD, WORD);
		word[i] = (uint32_t)strtoul(text, NULL, 16);
	}
	if (count == 1) {
		end.v4.sin_port = htons((uint16_t)port);
		end.v4.sin_addr.s_addr = word[0];
		return end;
	}
	struct endpoint six = {
		.as.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)}};
	memcpy(&six.as.v6.sin6_addr, word, sizeof(word));
	return inet_end_from(&six);
}

// How well a listening socket suits a connection to `end`; 0: it takes none.
static unsigned suits(const union inet_end *listener, const union inet_end *end)
{
	if (listener->v4.sin_port != end->v4.sin_port) // which is at the same place for both
		return 0;
	if (inet_end_same_address(listener, end))
		return 3;
	if (!inet_end_is_any(listener))
		return 0;
	if (listener->any.sa_family == end->any.sa_family)
		return 2;
	return listener->any.sa_family == AF_INET6 ? 1 : 0; // which may take IPv4 too
}

// Looks for a socket that suits better than `best`, and notes how well it does.
static void find_inet(const char *table, const union inet_end *end, unsigned *best,
		      unsigned long *inode)
{
	char line[512];
	FILE *file = fopen(table, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char address[4 * WORD + 1];
		unsigned port, state;
		unsigned long found;
		if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %lu", address,
			   &port, &state, &found) != 4 ||
		    state != LISTENING)
			continue;
		const union inet_end listener = read_address(address, port);
		unsigned well = suits(&listener, end);
		if (well > *best) {
			*best = well;
			*inode = found;
		}
	}
	if (file)
		fclose(file);
}

unsigned long listening_inode(const struct endpoint *endpoint)
{
	if (endpoint->as.any.sa_family == AF_UNIX) {
		char text[ADDRESS_TEXT_SIZE]; // the table shows a name as we do
		return find_local(address_path_in(endpoint_format(endpoint, text)));
	}
	union inet_end end = inet_end_from(endpoint);
	if (inet_end_is_any(&end)) { // so connect(2) takes it
		if (end.any.sa_family == AF_INET)
			end.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		else
			end.v6.sin6_addr = in6addr_loopback;
	}
	unsigned best = 0;
	unsigned long inode = 0;
	if (!is_ours(&end))
		return 0;
	find_inet("/proc/net/tcp", &end, &best, &inode);
	find_inet("/proc/net/tcp6", &end, &best, &inode);
	return inode;
}
