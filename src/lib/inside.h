// What is inside a `struct echod`, for the parts of the program that look at more than the public
// interface shows. Not part of the library's interface.
#ifndef ECHOD_LIB_INSIDE_H
#define ECHOD_LIB_INSIDE_H

#include "echod/echod.h"
#include "server/server.h"

// Its server; it lives until echod_free. Any thread.
struct server *echod_server(struct echod *echod);

#endif
