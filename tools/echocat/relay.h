// The mode without --message: standard input goes to the peer, what comes back goes to standard
// output, and the two are compared on the way. Main thread only.
#ifndef ECHOCAT_RELAY_H
#define ECHOCAT_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "peer.h"

// How many bytes may be under way between input and output; all the memory it takes, but for one
// buffer.
#define RELAY_WINDOW ((size_t)4 << 20)

// Sends all of `input` to the peer, half-closes the connection, and writes what comes back to
// `output` until the peer closes too. Ends early when the echo is wrong, after writing what had
// come until then, or when the peer owes an echo or its end of stream and nothing comes for
// `timeout` ns. Returns the exit status; complaints have been printed. The descriptors may be of
// any kind and stay in blocking mode, because others (a shell on the same terminal) share it.
int relay_run(struct peer *peer, int input, int output, uint64_t timeout);

#endif
