#include "server/listeners.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "net/resolve.h"

#define ADDRESSES_PER_NAME (SERVER_MAX_LISTENERS + 1) // one too many, so that an excess is seen
#define PORT_ATTEMPTS 64 // to find a port that is free at all addresses of a name

// A name and its addresses.
struct name {
	const struct address *address;
	struct endpoint endpoints[ADDRESSES_PER_NAME];
	int absent[ADDRESSES_PER_NAME]; // errno if this host cannot bind it, else 0
	int count;
};

static bool is_unix(const struct endpoint *endpoint)
{
	return endpoint->as.any.sa_family == AF_UNIX;
}

static in_port_t *port_of(struct endpoint *endpoint)
{
	return endpoint->as.any.sa_family == AF_INET ? &endpoint->as.v4.sin_port
						     : &endpoint->as.v6.sin6_port;
}

// Whether a socket at `one` covers `other`: it gets all connections to `other` at the same port.
static bool takes_in(const union inet_end *one, const union inet_end *other)
{
	if (inet_end_is_any(one)) // [::] takes IPv4 too
		return one->any.sa_family == AF_INET6 || other->any.sa_family == AF_INET;
	return inet_end_same_address(one, other) &&
	       (one->any.sa_family == AF_INET || one->v6.sin6_scope_id == other->v6.sin6_scope_id);
}

static bool overlap(const struct endpoint *one, const struct endpoint *other)
{
	if (is_unix(one) || is_unix(other))
		return unix_path_is_same(one, other);
	const union inet_end a = inet_end_from(one);
	const union inet_end b = inet_end_from(other);
	return a.v4.sin_port == b.v4.sin_port && // at the same place for both
	       (takes_in(&a, &b) || takes_in(&b, &a));
}

static int check_room(const struct server *server, const struct endpoint *endpoint,
		      struct echod_error *error)
{
	char text[ADDRESS_TEXT_SIZE];
	if (server->listener_count == SERVER_MAX_LISTENERS)
		return error_set(error, ECHOD_ERROR_SYSTEM, "more than %d addresses to listen on",
				 SERVER_MAX_LISTENERS);
	for (size_t i = 0; i < server->listener_count; i++) {
		if (!overlap(&server->listeners[i].endpoint, endpoint))
			continue;
		return error_set(error, ECHOD_ERROR_USAGE,
				 "cannot listen on %s: another address to listen on, %s, covers it",
				 endpoint_format(endpoint, text), server->names[i]);
	}
	return 0;
}

// The next listener has been bound.
static void add_listener(struct server *server)
{
	size_t index = server->listener_count++;
	struct listener *listener = &server->listeners[index];
	server_set_patience(server, listener->fd);
	memcpy(server->names[index], listener->name, sizeof(listener->name));
	server->ports[index] =
		is_unix(&listener->endpoint) ? 0 : ntohs(*port_of(&listener->endpoint));
}

// Returns 0, or -1 with `error` and errno; errno is 0 when the kernel is not the cause.
static int bind_one(struct server *server, const struct endpoint *endpoint,
		    struct echod_error *error)
{
	if (check_room(server, endpoint, error) != 0) {
		errno = 0;
		return -1;
	}
	struct listener *listener = &server->listeners[server->listener_count];
	if (listener_bind(listener, endpoint, server->config.reuse_port, error) != 0)
		return -1;
	add_listener(server);
	return 0;
}

static void unbind_from(struct server *server, size_t first)
{
	while (server->listener_count > first)
		listener_close(&server->listeners[--server->listener_count]);
}

// The order in which the addresses of a name are bound: those that cover others come first.
enum { ALL_OF_BOTH, ALL_OF_IPV4, THIS_ONE, RANKS };

static int rank(const struct endpoint *endpoint)
{
	const union inet_end end = inet_end_from(endpoint);
	if (!inet_end_is_any(&end))
		return THIS_ONE;
	return end.any.sa_family == AF_INET6 ? ALL_OF_BOTH : ALL_OF_IPV4;
}

// Whether one of the listeners from `first` on, all on one port, covers `endpoint`.
static bool is_bound(const struct server *server, size_t first, const struct endpoint *endpoint)
{
	const union inet_end end = inet_end_from(endpoint);
	for (size_t i = first; i < server->listener_count; i++) {
		const union inet_end bound = inet_end_from(&server->listeners[i].endpoint);
		if (takes_in(&bound, &end))
			return true;
	}
	return false;
}

// Binds one address of a name whose listeners begin at `first`. If this host cannot bind the
// address, it is marked as absent. Returns 0, or -1 with `error` and errno.
static int bind_or_note(struct server *server, struct name *name, int i, size_t first,
			struct echod_error *error)
{
	struct endpoint endpoint = name->endpoints[i];
	if (is_bound(server, first, &endpoint))
		return 0;
	if (server->listener_count > first)
		*port_of(&endpoint) = htons(server->ports[first]);
	if (name->absent[i] == 0 && bind_one(server, &endpoint, error) != 0) {
		if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT && errno != EINVAL)
			return -1;
		name->absent[i] = errno;
	}
	return 0;
}

// Binds those addresses of the name that the host has, all on one port. Returns 0, or -1 with
// `error` and errno; nothing is bound then.
static int bind_there(struct server *server, struct name *name, struct echod_error *error)
{
	size_t first = server->listener_count;
	for (int turn = 0; turn < RANKS; turn++) {
		for (int i = 0; i < name->count; i++) {
			if (rank(&name->endpoints[i]) != turn ||
			    bind_or_note(server, name, i, first, error) == 0)
				continue;
			int why = errno;
			unbind_from(server, first);
			errno = why;
			return -1;
		}
	}
	errno = 0;
	return server->listener_count > first ? 0 : -1;
}

static void warn_absent(const struct server *server, const struct name *name)
{
	char text[ADDRESS_TEXT_SIZE];
	for (int i = 0; i < name->count; i++) {
		if (name->absent[i] == 0)
			continue;
		const char *reason = error_text(name->absent[i]);
		endpoint_format(&name->endpoints[i], text);
		log_write(server->log, ECHOD_LOG_WARNING, "left_out",
			  LOG_FIELDS({"name", .text = name->address->host},
				     {"address", .text = text}, {"reason", .text = reason}),
			  "'%s' is also %s, which is left out because it cannot be bound: %s",
			  name->address->host, text, reason);
	}
}

// A port that is free at the first address of a name may be taken at another. Then the next try
// gets another port.
static int bind_name(struct server *server, const struct address *address,
		     struct echod_error *error)
{
	struct name name = {.address = address};
	name.count = resolve_within(address, name.endpoints, ADDRESSES_PER_NAME, CLOCK_NEVER,
				    server->config.interrupt_fd, error);
	if (name.count < 0)
		return -1;
	int attempts = address->port == 0 && name.count > 1 ? PORT_ATTEMPTS : 1;
	for (int i = 0; i < attempts; i++) {
		if (bind_there(server, &name, error) == 0) {
			warn_absent(server, &name);
			return 0;
		}
		if (errno != EADDRINUSE)
			return -1;
	}
	return -1;
}

int listeners_bind(struct server *server, struct echod_error *error)
{
	const struct server_config *config = &server->config;
	for (size_t i = 0; i < config->inherited_count; i++) {
		if (listener_adopt(&server->listeners[i], config->inherited[i].fd, error) != 0)
			return -1;
		add_listener(server);
		by_listener_label(&server->by_listener, i, server->names[i]);
		server->trusts[i] = config->inherited[i].proxy ? &trust_loopback : NULL;
		server->faults.listeners[i].is_faulty = config->inherited[i].is_faulty;
		server->faults.listeners[i].set = config->inherited[i].faults;
	}
	for (size_t i = 0; i < config->listen_count; i++) {
		const struct listen *listen = &config->listen[i];
		char label[ADDRESS_WRITTEN_SIZE]; // the address as it was written
		size_t next = server->listener_count;
		if (bind_name(server, &listen->address, error) != 0)
			return -1;
		address_format(&listen->address, label);
		for (; next < server->listener_count; next++) {
			by_listener_label(&server->by_listener, next, label);
			server->trusts[next] = listen->proxy ? &listen->trust : NULL;
			server->faults.listeners[next].is_faulty = listen->is_faulty;
			server->faults.listeners[next].set = listen->faults;
		}
	}
	return 0;
}

int listeners_open(struct server *server, struct echod_error *error)
{
	for (int local = 1; local >= 0; local--) {
		for (size_t i = 0; i < server->listener_count; i++) {
			struct listener *listener = &server->listeners[i];
			if (is_unix(&listener->endpoint) == (local == 1) &&
			    listener_open(listener, server->config.backlog, error) != 0)
				return -1;
		}
	}
	return 0;
}

void listeners_close(struct server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		listener_close(&server->listeners[i]);
}
