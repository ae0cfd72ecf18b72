// The lists of connections and of workers, as tables and as JSON. The stats thread only.
#ifndef ECHOD_CONTROL_LISTS_H
#define ECHOD_CONTROL_LISTS_H

#include <jansson.h>
#include <stdio.h>

#include "server/server.h"

void lists_connections_text(struct server *server, FILE *out);
void lists_workers_text(struct server *server, FILE *out);

// NULL when memory is short. The caller owns the reference.
json_t *lists_connections_json(struct server *server);
json_t *lists_workers_json(struct server *server);

#endif
