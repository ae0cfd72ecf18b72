// CPU time that there was, or was not, from the kernel's files. Any thread.
#ifndef ECHOLOAD_CPU_TIME_H
#define ECHOLOAD_CPU_TIME_H

#include <sched.h>
#include <stdint.h>

// ns that a CPU quota has kept the process (0: this one) from running: of its cgroup and those
// above it, the most (cpu.stat of cgroups(7), version 1 and 2). 0 where there is none.
uint64_t cpu_time_throttled(int pid);

// ns of CPU time, of all CPUs since the machine was started: what was wanted of it, and how much of
// that its hypervisor gave to others (`steal` of proc(5)). Zeros where the system does not tell.
void cpu_time_of_machine(uint64_t *wanted, uint64_t *stolen);

// ns for which these CPUs were idle, together, since the machine was started. 0: not known.
uint64_t cpu_time_idle(const cpu_set_t *cpus);

#endif
