// What a server listens on: every address of the names it was given, bound, opened and closed. The
// thread that starts the server; once the acceptor runs, the acceptor.
#ifndef ECHOD_SERVER_LISTENERS_H
#define ECHOD_SERVER_LISTENERS_H

#include "server/server.h"

// Resolves the names and binds all addresses. Of a name with several, those that this host does not
// have, or where nobody can listen, are left out with a warning, those that another one of the name
// takes in without a word, and with port 0 all share one free port. An address that one of another
// name's takes in already is refused, as the kernel would tell the two apart by their order. On
// failure listeners_close closes what was bound.
int listeners_bind(struct server *server, struct echod_error *error);

// Lets clients get in. Unix-domain sockets first: most failures are theirs.
int listeners_open(struct server *server, struct echod_error *error);

// Closes those that are still open.
void listeners_close(struct server *server);

#endif
