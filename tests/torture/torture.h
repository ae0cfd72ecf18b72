// What a program under torture shares with the test: a file that both map. `TORTURE=FILE` in its
// environment names it; without that no call fails.
#ifndef ECHOD_TESTS_TORTURE_H
#define ECHOD_TESTS_TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call {
#define CALL(type, name, ...) CALL_##name,
#define ROW(name, ...) CALL_##name,
#include "calls.def"
#undef CALL
#undef ROW
	CALLS,
};

#define TORTURE_SITES 4096

// A place in the program that calls: the function and the return addresses of the callers.
struct torture_site {
	_Atomic uint64_t place; // 0: free
	_Atomic int call;
	_Atomic unsigned calls;
};

struct torture {
	// The test writes. Which call fails: the `turn`-th from this place, from 1; `for_ever`:
	// then all of the same function. During a `pause` no call counts.
	_Atomic int error; // 0: none
	_Atomic bool for_ever, heals, short_counts, pause;
	int call;
	unsigned turn;
	unsigned callers; // how many make a place
	uint64_t place;
	// The program writes, and where.
	_Atomic unsigned hits;
	size_t descriptors; // the test: those of a run without a failure, before the first client
	size_t quotes[2];   // the test: how many are in two replies then
	struct torture_site sites[TORTURE_SITES]; // a hash table
};

// For tests: maps the file, which it makes if there is none.
struct torture *torture_share(const char *path);

#endif
