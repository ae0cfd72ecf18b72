// What the allocator says of itself. Any thread.
#ifndef ECHOD_STATS_MEMORY_H
#define ECHOD_STATS_MEMORY_H

#include <stdint.h>

// STATS_UNKNOWN where the allocator does not say.
struct memory_use {
	uint64_t allocated; // bytes the program holds
	uint64_t resident;  // bytes the allocator keeps resident
};

// Both unknown when the process does not run on jemalloc, as a program that embeds libechod may
// not.
struct memory_use memory_use(void);

#endif
