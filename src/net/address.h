// Addresses as people write them and as sockets take them. Any thread; only address_resolve may
// block.
#ifndef ECHOD_NET_ADDRESS_H
#define ECHOD_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

// The default address of our server and our clients.
#define ADDRESS_DEFAULT_HOST "127.0.0.1"
#define ADDRESS_DEFAULT_PORT "65432"

#define ADDRESS_TEXT_SIZE 120 // any address as text: `unix:@` and 107 bytes of name at most

// Room for the path of a Unix-domain socket as it is written: PATH, or @NAME for one in the
// abstract namespace, which has no file (unix(7)). A file whose name begins with `@` is ./@NAME.
#define ADDRESS_PATH_SIZE (sizeof(((struct sockaddr_un *)0)->sun_path) + 1)

#define ADDRESS_WRITTEN_SIZE 264 // any struct address as text

// An address as it was written: `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `*:PORT`, `unix:PATH` or
// `unix:@NAME`. A host that is called unix is [unix]:PORT.
struct address {
	bool is_unix;
	uint16_t port;
	char host[256]; // empty: all interfaces
	char path[ADDRESS_PATH_SIZE];
};

// One socket address.
struct endpoint {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} as;
};

// The end of a connection in little memory. With AF_UNIX only the family is valid.
union inet_end {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

int address_parse(const char *text, struct address *address, struct echod_error *error);

// The address as it is written, `:PORT` for all interfaces. Returns `text`, which has room for
// ADDRESS_WRITTEN_SIZE bytes.
char *address_format(const struct address *address, char *text);

// The same from a separate host and port, as clients take them; port 0 is refused.
int address_from_host(const char *host, const char *port, struct address *address,
		      struct echod_error *error);

// All socket addresses behind `address`, at most `capacity`. Asks the resolver, so it may block. An
// empty host gives [::] alone, which takes IPv4 too, or 0.0.0.0 on a host without IPv6. A
// link-local address without its zone does not count. Returns how many, or -1.
int address_resolve(const struct address *address, struct endpoint *endpoints, size_t capacity,
		    struct echod_error *error);

// The IP address `text`, `fe80::1%eth0` if it is link-local, with port 0. Does not use the
// resolver.
int endpoint_from_ip(const char *text, struct endpoint *endpoint, struct echod_error *error);

// The address of the Unix-domain socket `path`, with or without `unix:` before it. Returns 0, or
// -1: empty or too long.
int endpoint_from_path(const char *path, struct endpoint *endpoint, struct echod_error *error);

bool endpoint_is_same(const struct endpoint *one, const struct endpoint *other);

// Whether it is a name in the abstract namespace.
bool endpoint_is_abstract(const struct endpoint *endpoint);

// `127.0.0.1:65432`, `[::1]:7000`, `unix:/path`, `unix:@name` (`unix` when it has neither). A zero
// byte within a name is shown as `@`, as ss(8) does. Returns `text`, which has room for
// ADDRESS_TEXT_SIZE bytes.
char *endpoint_format(const struct endpoint *endpoint, char *text);
char *inet_end_format(const union inet_end *end, char *text);

// The IP part of `endpoint`; an IPv4 address mapped into IPv6 becomes IPv4 again.
union inet_end inet_end_from(const struct endpoint *endpoint);

// Whether it stands for all addresses of its family: 0.0.0.0, [::].
bool inet_end_is_any(const union inet_end *end);

// Whether both have the same IP address. The interface of a link-local one is ignored.
bool inet_end_same_address(const union inet_end *one, const union inet_end *other);

// The PATH of `unix:PATH`, NULL when `text` is another kind of address.
const char *address_path_in(const char *text);

#endif
