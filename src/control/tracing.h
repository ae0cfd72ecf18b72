// The traces that clients of the control socket follow, as lines and as a picture. The stats
// thread.
#ifndef ECHOD_CONTROL_TRACING_H
#define ECHOD_CONTROL_TRACING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/protocol.h"
#include "server/server.h"

// Answers a request for a trace of the connection `id`, 0: of the next one. The first one begins
// it; each writes the events that have come since the one before, or with `is_picture` all that are
// kept. The first that tells of the connection's end ends the trace.
enum status tracing_answer(struct server *server, uint64_t id, bool is_picture, FILE *out);

// Ends the traces that were not asked for within 5 s before `now`.
void tracing_expire(struct server *server, uint64_t now);

#endif
