// Starting threads, and waiting until they are ready.
#ifndef ECHOD_BASE_THREAD_H
#define ECHOD_BASE_THREAD_H

#include <pthread.h>

#include "base/error.h"

// Starts a thread that blocks all signals except those of its own faults (SIGSEGV, …). It is named
// `name`, of 15 bytes at most (pthread_setname_np(3)), so that top -H shows the server's parts.
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument,
		 struct echod_error *error);

// Counts threads that are ready. All fields are guarded by `lock`.
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned arrived;
};

void gate_init(struct gate *gate);
void gate_arrive(struct gate *gate);
void gate_wait(struct gate *gate, unsigned threads); // until that many have arrived
void gate_destroy(struct gate *gate);

#endif
