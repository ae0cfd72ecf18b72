// The listeners of a server: binding, opening and closing every address of the given names. For the
// thread that starts the server; once the acceptor runs, for the acceptor.
#ifndef ECHOD_SERVER_LISTENERS_H
#define ECHOD_SERVER_LISTENERS_H

#include "server/server.h"

// Takes over the inherited sockets. Then resolves the names and binds all addresses. If a name has
// several addresses, those that this host cannot bind are left out with a warning. Those that
// another address of the same name covers are left out silently. With port 0 all addresses of a
// name share one free port. An address that another name covers is an error, because then the order
// of binding would decide which gets a client. After a failure, listeners_close closes the bound
// listeners.
int listeners_bind(struct server *server, struct echod_error *error);

// Opens the listeners for clients, Unix-domain sockets first: they fail most often.
int listeners_open(struct server *server, struct echod_error *error);

// Closes the listeners that are still open.
void listeners_close(struct server *server);

#endif
