#include "net/address.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"

#define ALLOWED_ADDRESSES "allowed: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, unix:@NAME"
#define LONGEST_PATH (ADDRESS_PATH_SIZE - 2) // of a file or a name, without its `@`

const char *address_path_in(const char *text)
{
	return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

// A path ends with a zero byte, which its length includes. A name in the abstract namespace begins
// with one instead, and its length says where it ends.
int endpoint_from_path(const char *path, struct endpoint *endpoint, struct echod_error *error)
{
	if (address_path_in(path))
		path = address_path_in(path);
	bool abstract = path[0] == '@';
	const char *name = path + abstract;
	size_t length = strlen(name);
	if (length == 0 || address_path_in(path)) // a file of that name is ./unix:NAME
		return error_set(
			error, ECHOD_ERROR_USAGE,
			"'%.40s' names no socket: write its PATH, or @NAME if it has no file",
			path);
	if (length > LONGEST_PATH)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "the %s '%.40s...' has %zu bytes, a socket's at most %zu",
				 abstract ? "name" : "path", path, length, LONGEST_PATH);
	*endpoint = (struct endpoint){
		.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1)};
	endpoint->as.local.sun_family = AF_UNIX;
	memcpy(endpoint->as.local.sun_path + abstract, name, length);
	return 0;
}

static int parse_unix(const char *text, struct address *address, struct echod_error *error)
{
	struct endpoint endpoint;
	struct echod_error why;
	if (endpoint_from_path(text, &endpoint, &why) != 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.45s': %s; " ALLOWED_ADDRESSES, text,
				 why.message);
	address->is_unix = true;
	strcpy(address->path, address_path_in(text));
	return 0;
}

// `whole` is the address as the user wrote it.
static int parse_port(const char *text, uint64_t minimum, const char *whole,
		      struct address *address, struct echod_error *error)
{
	uint64_t port;
	struct echod_error why;
	if (units_parse_count(text, minimum, UINT16_MAX, &port, &why) != 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.100s': port %s", whole, why.message);
	address->port = (uint16_t)port;
	return 0;
}

static int copy_host(const char *host, size_t length, struct address *address,
		     struct echod_error *error)
{
	if (length >= sizeof(address->host))
		return error_set(error, ECHOD_ERROR_USAGE, "the host name '%.40s...' is too long",
				 host);
	if (length == 1 && *host == '*') // getaddrinfo takes it for the loopback address
		length = 0;
	memcpy(address->host, host, length);
	address->host[length] = '\0';
	return 0;
}

int address_parse(const char *text, struct address *address, struct echod_error *error)
{
	*address = (struct address){0};
	if (address_path_in(text))
		return parse_unix(text, address, error);

	const char *colon = strrchr(text, ':');
	const char *host = text;
	const char *host_end = colon;
	if (text[0] == '[') {
		host = text + 1;
		host_end = strchr(text, ']');
		if (!host_end || host_end == host || *host == '[' || host_end[1] != ':')
			colon = NULL;
		else
			colon = host_end + 1;
	} else if (colon && memchr(text, ':', (size_t)(colon - text))) {
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' is ambiguous: write an IPv6 address as [ADDRESS]:PORT",
				 text);
	}
	if (!colon)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' is not an address; " ALLOWED_ADDRESSES, text);
	if (copy_host(host, (size_t)(host_end - host), address, error) != 0)
		return -1;
	return parse_port(colon + 1, 0, text, address, error);
}

char *address_format(const struct address *address, char *text)
{
	if (address->is_unix)
		snprintf(text, ADDRESS_WRITTEN_SIZE, "unix:%s", address->path);
	else
		snprintf(text, ADDRESS_WRITTEN_SIZE,
			 strchr(address->host, ':') || strcmp(address->host, "unix") == 0
				 ? "[%s]:%u"
				 : "%s:%u",
			 address->host, address->port);
	return text;
}

int address_from_host(const char *host, const char *port, struct address *address,
		      struct echod_error *error)
{
	*address = (struct address){0};
	if (address_path_in(host))
		return parse_unix(host, address, error);
	size_t length = strlen(host);
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	}
	if (length == 0)
		return error_set(error, ECHOD_ERROR_USAGE, "the host is empty");
	if (copy_host(host, length, address, error) != 0)
		return -1;
	return parse_port(port, 1, host, address, error);
}

// All interfaces: [::], whose sockets take IPv4 too, or 0.0.0.0 where the kernel has no IPv6.
static void set_any(const struct address *address, struct endpoint *endpoint)
{
	*endpoint = (struct endpoint){0};
	int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	bool has_ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&any, sizeof(any)) == 0;
	if (probe >= 0)
		close(probe);
	if (has_ipv6) {
		any.sin6_port = htons(address->port);
		endpoint->as.v6 = any;
		endpoint->length = sizeof(any);
	} else {
		endpoint->as.v4.sin_family = AF_INET;
		endpoint->as.v4.sin_port = htons(address->port);
		endpoint->length = sizeof(endpoint->as.v4);
	}
}

bool endpoint_is_same(const struct endpoint *one, const struct endpoint *other)
{
	return one->length == other->length && memcmp(&one->as, &other->as, one->length) == 0;
}

// A link-local address is ambiguous without its interface: bind(2) and connect(2) fail with EINVAL.
static bool lacks_zone(const struct endpoint *endpoint)
{
	return endpoint->as.any.sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LINKLOCAL(&endpoint->as.v6.sin6_addr) &&
	       endpoint->as.v6.sin6_scope_id == 0;
}

// Takes each usable address that getaddrinfo found for `host`, at least one, once, and frees the
// list. Returns how many, or -1 if all lack their interface.
static int take_found(struct addrinfo *found, const char *host, struct endpoint *endpoints,
		      size_t capacity, struct echod_error *error)
{
	size_t count = 0;
	for (const struct addrinfo *each = found; each && count < capacity; each = each->ai_next) {
		struct endpoint *endpoint = &endpoints[count];
		*endpoint = (struct endpoint){.length = each->ai_addrlen};
		memcpy(&endpoint->as, each->ai_addr, each->ai_addrlen);
		bool seen = lacks_zone(endpoint);
		for (size_t i = 0; i < count && !seen; i++)
			seen = endpoint_is_same(&endpoints[i], endpoint);
		count += !seen;
	}
	freeaddrinfo(found);
	if (count > 0)
		return (int)count;
	return error_set(error, ECHOD_ERROR_USAGE,
			 "'%.100s': a link-local address needs %%INTERFACE: [fe80::1%%eth0]:PORT",
			 host);
}

int endpoint_from_ip(const char *text, struct endpoint *endpoint, struct echod_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found = NULL;
	// An empty host would mean any address.
	if (!*text || getaddrinfo(text, NULL, &hints, &found) != 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not an IP address, such as 127.0.0.2 or ::1", text);
	return take_found(found, text, endpoint, 1, error) == 1 ? 0 : -1;
}

static int fail_look_up(const char *host, int status, struct echod_error *error)
{
	const char *zone = host + strcspn(host, "%");
	if (*zone && if_nametoindex(zone + 1) == 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "'%.100s': there is no interface '%.40s'", host, zone + 1);
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot find host '%.100s': %s", host,
			 status == EAI_SYSTEM ? error_text(errno) : gai_strerror(status));
}

int address_resolve(const struct address *address, struct endpoint *endpoints, size_t capacity,
		    struct echod_error *error)
{
	if (address->is_unix)
		return endpoint_from_path(address->path, &endpoints[0], error) == 0 ? 1 : -1;
	if (address->host[0] == '\0') {
		set_any(address, &endpoints[0]);
		return 1;
	}
	char port[8];
	snprintf(port, sizeof(port), "%u", address->port);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int status = getaddrinfo(address->host, port, &hints, &found);
	if (status != 0)
		return fail_look_up(address->host, status, error);
	return take_found(found, address->host, endpoints, capacity, error);
}

static char *format_inet(const struct sockaddr *address, socklen_t length, char *text)
{
	char host[64];
	char port[8];
	if (getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(text, ADDRESS_TEXT_SIZE, "?");
	else
		snprintf(text, ADDRESS_TEXT_SIZE,
			 address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return text;
}

static size_t path_length(const struct endpoint *endpoint)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	return endpoint->length > head ? endpoint->length - head : 0;
}

bool endpoint_is_abstract(const struct endpoint *endpoint)
{
	return endpoint->as.any.sa_family == AF_UNIX && path_length(endpoint) > 0 &&
	       endpoint->as.local.sun_path[0] == '\0';
}

static char *format_local(const struct endpoint *endpoint, char *text)
{
	const char *path = endpoint->as.local.sun_path;
	size_t length = path_length(endpoint);
	bool abstract = endpoint_is_abstract(endpoint);
	int end = snprintf(text, ADDRESS_TEXT_SIZE, length > 0 ? "unix:" : "unix");
	for (size_t i = 0; i < length && (abstract || path[i]); i++, end++) {
		text[end] = path[i];
		if (!path[i])
			text[end] = '@';
	}
	text[end] = '\0';
	return text;
}

char *endpoint_format(const struct endpoint *endpoint, char *text)
{
	if (endpoint->as.any.sa_family == AF_UNIX)
		return format_local(endpoint, text);
	return format_inet(&endpoint->as.any, endpoint->length, text);
}

char *inet_end_format(const union inet_end *end, char *text)
{
	switch (end->any.sa_family) {
	case AF_INET:
		return format_inet(&end->any, sizeof(end->v4), text);
	case AF_INET6:
		return format_inet(&end->any, sizeof(end->v6), text);
	default:
		snprintf(text, ADDRESS_TEXT_SIZE, "unix");
		return text;
	}
}

union inet_end inet_end_from(const struct endpoint *endpoint)
{
	union inet_end end = {.any.sa_family = endpoint->as.any.sa_family};
	if (end.any.sa_family == AF_INET) {
		end.v4 = endpoint->as.v4;
	} else if (end.any.sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = &endpoint->as.v6;
		if (!IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
			end.v6 = *v6;
			return end;
		}
		end.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = v6->sin6_port};
		memcpy(&end.v4.sin_addr, &v6->sin6_addr.s6_addr[12], sizeof(end.v4.sin_addr));
	}
	return end;
}

bool inet_end_is_any(const union inet_end *end)
{
	if (end->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&end->v6.sin6_addr);
	return end->any.sa_family == AF_INET && end->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool inet_end_same_address(const union inet_end *one, const union inet_end *other)
{
	if (one->any.sa_family != other->any.sa_family)
		return false;
	if (one->any.sa_family == AF_INET)
		return one->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&one->v6.sin6_addr, &other->v6.sin6_addr);
}
