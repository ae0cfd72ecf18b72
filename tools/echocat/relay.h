// The mode without --message: standard input goes to the peer, what comes back goes to standard
// output, and the two are compared on the way. Main thread only.
#ifndef ECHOCAT_RELAY_H
#define ECHOCAT_RELAY_H

#include <stddef.h>

#include "options.h"
#include "peer.h"

// How many bytes may be under way between input and output; all the memory it takes, except for one
// buffer.
#define RELAY_WINDOW ((size_t)4 << 20)

// Sends all of `input` to the peer and writes what comes back to `output`. Sends FIN once all has
// come back, or with `options->half_close` once all is sent, and goes on until the peer's FIN. Ends
// early when the echo is wrong, after writing what had come until then, or when the peer owes an
// echo or its FIN and nothing comes for `options->timeout` ns. Returns the exit status; complaints
// have been printed. The descriptors may be of any kind and stay in blocking mode, because others
// (a shell on the same terminal) share it.
int relay_run(struct peer *peer, const struct options *options, int input, int output);

#endif
