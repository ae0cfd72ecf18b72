// What the allocator says of itself. Any thread.
#ifndef ECHOD_STATS_MEMORY_H
#define ECHOD_STATS_MEMORY_H

#include <stdint.h>

struct memory_use {
	uint64_t allocated; // bytes the program holds
	uint64_t resident;  // bytes the allocator keeps resident
};

// Both 0 when the process does not run on jemalloc, as a program that embeds libechod may not.
struct memory_use memory_use(void);

#endif
