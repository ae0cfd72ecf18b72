// Clients of a server that may fail them: they get what they are owed, or an error, or nothing. A
// wrong byte, or an orderly end too early, fails the test. One thread.
#ifndef ECHOD_TESTS_TOLERANT_H
#define ECHOD_TESTS_TOLERANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The server is told that a peer has gone: then it may end a connection in order and early.
extern bool tolerant_of_ends;

// Sends `total` bytes of the stream `seed`, at first without reading if it is `late`, then ends its
// side and receives until the server does. -1 for the descriptor of no connection is fine. Gives up
// when nothing happens until `deadline`. Closes it. Returns whether all came back.
bool tolerant_echo(int fd, uint64_t seed, size_t total, bool late, uint64_t deadline);

// Sends `text`, ends its side, and returns what comes until an end, valid until the test ends.
const char *tolerant_ask(const char *address, const char *text, uint64_t deadline);

#endif
