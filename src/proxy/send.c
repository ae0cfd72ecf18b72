#include "proxy/send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_SIZE (sizeof(PROXY_SIGNATURE) - 1)

size_t proxy_write(enum proxy_kind kind, const union inet_end *source,
		   const union inet_end *destination, char bytes[static PROXY_V1_MAX])
{
	int family = kind == PROXY_LOCAL ? AF_UNSPEC : source->any.sa_family;
	bool is_ipv4 = family == AF_INET;
	size_t size = is_ipv4 ? 4 : family == AF_INET6 ? 16 : 0; // bytes of an address
	size_t at = is_ipv4 ? offsetof(struct sockaddr_in, sin_addr)
			    : offsetof(struct sockaddr_in6, sin6_addr);
	const char *from = (const char *)source + at;
	const char *to = (const char *)destination + at;
	const in_port_t ports[] = {source->v4.sin_port, destination->v4.sin_port}; // IPv6 as well
	if (kind == PROXY_V1) {
		char texts[2][INET6_ADDRSTRLEN];
		if (!inet_ntop(family, from, texts[0], sizeof(texts[0])) ||
		    !inet_ntop(family, to, texts[1], sizeof(texts[1])))
			return (size_t)snprintf(bytes, PROXY_V1_MAX, "PROXY UNKNOWN\r\n");
		return (size_t)snprintf(bytes, PROXY_V1_MAX, "PROXY TCP%d %s %s %u %u\r\n",
					is_ipv4 ? 4 : 6, texts[0], texts[1], ntohs(ports[0]),
					ntohs(ports[1]));
	}
	size_t block = size ? 2 * size + sizeof(ports) : 0;
	const unsigned char protocol = size == 0 ? 0 : is_ipv4 ? 0x11 : 0x21;
	const unsigned char head[] = {kind == PROXY_LOCAL ? 0x20 : 0x21, protocol, 0,
				      (unsigned char)block};
	memcpy(bytes, PROXY_SIGNATURE, SIGNATURE_SIZE);
	memcpy(bytes + SIGNATURE_SIZE, head, sizeof(head));
	memcpy(bytes + PROXY_V2_LEAST, from, size);
	memcpy(bytes + PROXY_V2_LEAST + size, to, size);
	memcpy(bytes + PROXY_V2_LEAST + 2 * size, ports, size ? sizeof(ports) : 0);
	return PROXY_V2_LEAST + block;
}

int proxy_send(int fd, enum proxy_kind kind)
{
	char bytes[PROXY_V1_MAX];
	struct endpoint ours = {.length = sizeof(ours.as)};
	struct endpoint theirs = {.length = sizeof(theirs.as)};
	if (kind == PROXY_NONE)
		return 0;
	if (getsockname(fd, &ours.as.any, &ours.length) != 0 ||
	    getpeername(fd, &theirs.as.any, &theirs.length) != 0)
		return errno;
	const union inet_end source = inet_end_from(&ours);
	const union inet_end destination = inet_end_from(&theirs);
	size_t length = proxy_write(kind, &source, &destination, bytes);
	ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno;
	return (size_t)sent == length ? 0 : ENOBUFS;
}
