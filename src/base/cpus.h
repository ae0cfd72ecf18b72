// How many CPUs this process may use. Any thread.
#ifndef ECHOD_BASE_CPUS_H
#define ECHOD_BASE_CPUS_H

#include <pthread.h>

// The CPUs of the affinity mask of `thread`. If a quota of the cgroup (version 1 or 2), or of one
// above it, comes to fewer, rounded up, it is that many; at least 1. As it is now: it reads a few
// files of the kernel's each time.
unsigned cpus_usable(pthread_t thread);

// CPUs that are on in this machine, of which others may use those that we may not.
unsigned cpus_online(void);

#endif
