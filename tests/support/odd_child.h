// The child process of an odd_server: what both it and the test know. One thread.
#ifndef ECHOD_TESTS_ODD_CHILD_H
#define ECHOD_TESTS_ODD_CHILD_H

#include <stdatomic.h>

#include "odd_server.h"

#define ODD_SPANS 10000

// What the child writes and the parent reads. A span is written before it is counted.
struct odd_record {
	_Atomic uint64_t accepted;
	_Atomic uint64_t received;
	_Atomic size_t span_count;
	struct odd_span spans[ODD_SPANS];
};

// Serves those who connect to `listener` until it is killed.
_Noreturn void odd_run(const struct odd_spec *spec, struct odd_record *record, int listener);

// Uses so much CPU time of this thread.
void odd_work(double seconds);

// The same for ODD_LOCKS and what follows it.
_Noreturn void odd_run_threads(const struct odd_spec *spec, struct odd_record *record,
			       int listener);

#endif
