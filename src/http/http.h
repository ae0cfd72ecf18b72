// echod's HTTP server, for monitors and browsers (--http): read-only, over libmicrohttpd, with one
// thread of its own. A client that is slow, silent or one of many disturbs only HTTP clients.
// Without ECHOD_HTTP none of it is built. Main thread.
#ifndef ECHOD_HTTP_HTTP_H
#define ECHOD_HTTP_HTTP_H

#include "base/error.h"
#include "net/address.h"
#include "server/server.h"

#define HTTP_MAX_CLIENTS 64			// if one more comes, the oldest goes
#define HTTP_DESCRIPTORS (HTTP_MAX_CLIENTS + 8) // that it needs at most

struct http;

#ifdef ECHOD_HTTP

#define HTTP_HELP                                                                                  \
	"serve HTTP, to be read only: a page that shows the pool at work, /metrics for "           \
	"Prometheus, /healthz and /readyz for balancers, and the lists of echoctl as JSON; takes " \
	"an address as --listen does, or a PORT of 127.0.0.1; asks nobody for a password"

// As address_parse; a port alone is one of 127.0.0.1.
int http_parse(const char *text, struct address *address, struct echod_error *error);

// Listens at the first address that `address` stands for, or with the socket `given` of a service
// manager unless that is -1. May block while a name is resolved, until `interrupt_fd` is readable.
// Nothing is answered yet. NULL with `error` on failure.
struct http *http_open(const struct address *address, int given, int interrupt_fd,
		       struct echod_error *error);

// Answers from here on, about `server`, which runs and outlives the HTTP server.
int http_start(struct http *http, struct server *server, struct echod_error *error);

// Where it listens, such as `127.0.0.1:9107`; a port 0 has become a real one.
const char *http_name(const struct http *http);

// Ends the thread, if there is one, and closes the socket. NULL is allowed.
void http_close(struct http *http);

#else // the option is not listed, and refused

#define HTTP_HELP NULL

static inline int http_refuse(struct echod_error *error)
{
	return error_set(error, ECHOD_ERROR_USAGE, "this echod was built without HTTP");
}

#define http_parse(text, address, error) ((void)(text), http_refuse(error))
#define http_open(address, given, interrupt_fd, error) (http_refuse(error), NULL)
#define http_start(http, server, error) 0
#define http_name(http) ""
#define http_close(http)

#endif

#endif
