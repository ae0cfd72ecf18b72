// How many CPUs there are to use.
#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/proc_file.h"

static unsigned affinity(pthread_t thread)
{
	cpu_set_t
		set; // 1024 CPUs; on a larger machine the call fails, and the number online will do
	if (pthread_getaffinity_np(thread, sizeof(set), &set) != 0)
		return cpus_online();
	return (unsigned)CPU_COUNT(&set);
}

static bool read_in(const char *folder, const char *name, char *text, size_t size)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return proc_file_read(path, text, size);
}

// Lowers `*usable` to the quota of the cgroup at `folder`, if it has one. In version 2, cpu.max
// holds the quota or `max`, and the period, in microseconds; in version 1 each is a file, and -1 is
// no quota.
static void apply_quota(const char *folder, void *usable)
{
	unsigned *cpus = usable;
	char text[64], more[32];
	long long quota = 0, period = 0;
	if (read_in(folder, "cpu.max", text, sizeof(text))) {
		if (sscanf(text, "%lld %lld", &quota, &period) != 2)
			return;
	} else if (!read_in(folder, "cpu.cfs_quota_us", text, sizeof(text)) ||
		   !read_in(folder, "cpu.cfs_period_us", more, sizeof(more)) ||
		   sscanf(text, "%lld", &quota) != 1 || sscanf(more, "%lld", &period) != 1) {
		return;
	}
	if (quota > 0 && period > 0 && (quota - 1) / period + 1 < *cpus)
		*cpus = (unsigned)((quota - 1) / period + 1);
}

unsigned cpus_online(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (unsigned)online : 1;
}

unsigned cpus_usable(pthread_t thread)
{
	unsigned usable = affinity(thread);
	proc_file_cpu_cgroups(0, apply_quota, &usable);
	return usable ? usable : 1;
}
