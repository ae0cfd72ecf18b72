// The echo service: how the pool's workers serve and close connections. Worker threads.
#ifndef ECHOD_SERVER_SERVICE_H
#define ECHOD_SERVER_SERVICE_H

#include "pool/pool.h"

// For a pool whose context is a struct server.
extern const struct pool_calls service_calls;

#endif
