// The echo service: how the pool's workers serve and close connections. Worker threads.
#ifndef ECHOD_SERVER_SERVICE_H
#define ECHOD_SERVER_SERVICE_H

#include "pool/pool.h"

// `serve` and `close` of a pool whose context is a struct server; the second with --faulty.
struct turn service_serve(struct work *work, struct worker *worker, void *context);
struct turn service_serve_faulty(struct work *work, struct worker *worker, void *context);
void service_close(struct work *work, enum close_reason reason, struct worker *worker,
		   void *context);

#endif
