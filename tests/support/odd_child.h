// The child process of an odd_server, and the record that it shares with the test. One thread.
#ifndef ECHOD_TESTS_ODD_CHILD_H
#define ECHOD_TESTS_ODD_CHILD_H

#include <stdatomic.h>

#include "odd_server.h"

#define ODD_SPANS 10000

// Written by the child, read by the parent. A span is written before it is counted.
struct odd_record {
	_Atomic uint64_t accepted;
	_Atomic uint64_t received;
	_Atomic size_t span_count;
	struct odd_span spans[ODD_SPANS];
};

// Serves the clients of `listener` until it is killed; the second for ODD_LOCKS and those after it.
_Noreturn void odd_run(const struct odd_spec *spec, struct odd_record *record, int listener);
_Noreturn void odd_run_threads(const struct odd_spec *spec, struct odd_record *record,
			       int listener);

// Uses as much CPU time of this thread.
void odd_work(double seconds);

#endif
