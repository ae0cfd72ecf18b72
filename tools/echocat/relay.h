// The mode without --message: standard input goes to the peer, and its echo goes to standard
// output. The two are compared on the way. Main thread only.
#ifndef ECHOCAT_RELAY_H
#define ECHOCAT_RELAY_H

#include <stddef.h>

#include "options.h"
#include "peer.h"

// How many bytes may be under way between input and output. This is all the memory of the mode,
// except for one buffer.
#define RELAY_WINDOW ((size_t)4 << 20)

// Sends all of `input` to the peer and writes its echo to `output`. Sends FIN when all has come
// back, or with `options->half_close` when all is sent, and goes on until the peer's FIN. If the
// echo is wrong, it writes the bytes received so far and ends. It also ends when the peer owes an
// echo or its FIN and nothing comes for `options->timeout` ns. Returns the exit status; errors have
// been printed. The descriptors may be of any kind. They stay in blocking mode, because others,
// such as a shell on the same terminal, share it.
int relay_run(struct peer *peer, const struct options *options, int input, int output);

#endif
