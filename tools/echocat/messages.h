// The --message mode: each message goes out and its echo comes back, one after the other. Main
// thread only.
#ifndef ECHOCAT_MESSAGES_H
#define ECHOCAT_MESSAGES_H

#include "options.h"
#include "peer.h"

// Sends the messages as often as the options say and prints what comes back. With `options->ping`
// an ending signal ends it and the summary is printed. Returns the exit status; complaints have
// been printed.
int messages_run(struct peer *peer, const struct options *options);

#endif
