// Listening sockets of the test and of its children, to test which process answers at an address.
// One thread.
#ifndef ECHOD_UNIT_LISTENERS_H
#define ECHOD_UNIT_LISTENERS_H

#include "test.h"

#include <sys/types.h>

#include "net/address.h"

// A setup: takes a TCP port that is free at all addresses. A teardown: closes the sockets, ends the
// children.
void listeners_setup(void);
void listeners_teardown(void);

// The address with the test's port; a path is one of a Unix-domain socket.
struct endpoint listeners_at(const char *address);

// Listens there: in this process, or in a child that accepts all connections and does nothing else.
// Several may share a port.
void listeners_here(const char *address);
pid_t listeners_child(const char *address);

// Accepts what waits for this process.
void listeners_accept(void);

// Stops the child, and waits until it stands still.
void listeners_stop(pid_t child);

#endif
