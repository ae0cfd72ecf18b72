// Small files of the kernel's, in /proc and /sys. Any thread.
#ifndef ECHOLOAD_PROC_FILE_H
#define ECHOLOAD_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads the file, as much as fits, as a string. Returns whether there was something in it.
bool proc_file_read(const char *path, char *text, size_t size);

// ns that a CPU quota has kept the process (0: this one) from running: of its cgroup and those
// above it, the most (cpu.stat of cgroups(7), version 1 and 2). 0 where there is none.
uint64_t proc_file_throttled(int pid);

// ns of CPU time, of all CPUs since the machine was started: what was wanted of it, and how much of
// that its hypervisor gave to others (`steal` of proc(5)). Zeros where the system does not tell.
void proc_file_cpu_time(uint64_t *wanted, uint64_t *stolen);

#endif
