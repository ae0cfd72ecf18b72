// How many CPUs this process may use. Start-up.
#ifndef ECHOD_POOL_CPUS_H
#define ECHOD_POOL_CPUS_H

// The CPUs of the affinity mask (sched_getaffinity(2)), or fewer if the cgroup v2 quota (cpu.max)
// comes to less than that many, rounded up; at least 1.
unsigned cpus_usable(void);

// CPUs that are on in this machine, of which others may use those that we may not.
unsigned cpus_online(void);

#endif
