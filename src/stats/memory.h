// The memory use that the allocator reports. Any thread.
#ifndef ECHOD_STATS_MEMORY_H
#define ECHOD_STATS_MEMORY_H

#include <stdint.h>

// A value is STATS_UNKNOWN when the allocator does not report it.
struct memory_use {
	uint64_t allocated; // bytes the program holds
	uint64_t resident;  // bytes the allocator keeps resident
};

// Both are unknown when the process does not use jemalloc. A program that embeds libechod may not.
struct memory_use memory_use(void);

#endif
