// What each worker thread runs.
#ifndef ECHOD_POOL_WORKER_H
#define ECHOD_POOL_WORKER_H

#include "pool/pool.h"

void *worker_run(void *argument); // a struct worker

#endif
