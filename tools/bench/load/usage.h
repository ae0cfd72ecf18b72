// What the server has used: CPU time and memory of a process group, from /proc. Any thread.
#ifndef BENCH_LOAD_USAGE_H
#define BENCH_LOAD_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint64_t cpu_us;     // user and system, of all threads and of children that have ended; in
			     // ticks of 10 ms
	uint64_t memory_kib; // resident; of several processes the sum of proportional shares
	unsigned processes;
};

// Adds up the processes of group `group`; all zero for group 0 or when there are none.
struct usage usage_of_group(pid_t group);

// CPU time that this process has used, in microseconds.
uint64_t usage_of_self(void);

#endif
