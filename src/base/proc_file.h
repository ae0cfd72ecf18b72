// Reads small files of the kernel in /proc and /sys, and finds the CPU limits of a process. Any
// thread.
#ifndef ECHOD_BASE_PROC_FILE_H
#define ECHOD_BASE_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>

// Reads the file, as much as fits, as a string. Returns whether it held any text.
bool proc_file_read(const char *path, char *text, size_t size);

// Calls `visit` with the folder of each cgroup that can limit the CPU time of process `pid` (0:
// this one). These are its own and those above it, of cgroups(7) version 1, 2 or both. In a
// container the root may be its own group. Some of the folders may not exist.
void proc_file_cpu_cgroups(int pid, void (*visit)(const char *folder, void *context),
			   void *context);

#endif
