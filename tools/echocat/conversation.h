// The --message mode: each message goes out and its echo comes back, one after the other. Main
// thread only.
#ifndef ECHOCAT_CONVERSATION_H
#define ECHOCAT_CONVERSATION_H

#include "options.h"
#include "peer.h"

// Sends the messages as often as the options say and prints the echoes. With `options->ping` it
// prints a summary at the end, also after an ending signal. Returns the exit status; errors have
// been printed.
int conversation_run(struct peer *peer, const struct options *options);

#endif
