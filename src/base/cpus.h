// How many CPUs this process may use. Any thread.
#ifndef ECHOD_BASE_CPUS_H
#define ECHOD_BASE_CPUS_H

#include <pthread.h>

// The CPUs of the affinity mask of `thread`, or fewer if a quota of its cgroup (version 1 or 2), or
// of one above that, allows fewer. The quota is rounded up, and the result is at least 1. Reads a
// few files of the kernel each time.
unsigned cpus_usable(pthread_t thread);

// CPUs that are on in this machine. Others may use those that we may not.
unsigned cpus_online(void);

#endif
