// The echo service: how the pool's workers serve and close connections. Worker threads.
#ifndef ECHOD_SERVER_SERVICE_H
#define ECHOD_SERVER_SERVICE_H

#include "pool/pool.h"

struct server;

// `serve` and `close` of a pool whose context is the server: the former as --faulty wants it, or as
// traces do.
typedef struct turn serve_function(struct work *work, struct worker *worker, void *context);
serve_function *service_serve_for(const struct server *server, bool is_traced);
void service_close(struct work *work, enum close_reason reason, struct worker *worker,
		   void *context);

#endif
