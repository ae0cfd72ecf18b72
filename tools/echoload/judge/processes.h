// Processes of this machine, as /proc shows them (proc(5)): who answers at an address, and what CPU
// time it uses. Of processes that we may not look at nothing is known. Any thread.
#ifndef ECHOLOAD_PROCESSES_H
#define ECHOLOAD_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

#define PROCESSES 64
#define PROCESSES_THREADS 1024

struct processes {
	int pid[PROCESSES];
	size_t count; // 0: not known
};

// Those that hold the socket that takes connections to `endpoint` (listening.h): of one program,
// which may have forked.
void processes_listening(struct processes *processes, const struct endpoint *endpoint);

// Adds those of `more` that are not yet there.
void processes_unite(struct processes *processes, const struct processes *more);

// Whether they have a process in common.
bool processes_overlap(const struct processes *one, const struct processes *other);

// The CPUs that they may run on (sched_getaffinity(2)), together; at least 1.
unsigned processes_cpus(const struct processes *processes);

// Whether one of them has been stopped (SIGSTOP).
bool processes_stopped(const struct processes *processes);

// Times in ns since each began.
struct processes_thread {
	int tid;
	uint64_t ran, waited; // on a CPU; for one
};

struct processes_usage {
	uint64_t ran; // all threads, also those that have ended
	struct processes_thread thread[PROCESSES_THREADS];
	size_t count;
};

void processes_measure(const struct processes *processes, struct processes_usage *usage);

#endif
