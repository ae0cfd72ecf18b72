// How many CPUs this process may use. Start-up.
#include "pool/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

static unsigned affinity(void)
{
	cpu_set_t
		set; // 1024 CPUs; on a larger machine the call fails, and the number online will do
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return cpus_online();
	return (unsigned)CPU_COUNT(&set);
}

// This process's cgroup in the unified hierarchy: the line `0::/path` of /proc/self/cgroup. Empty:
// none.
static void find_cgroup(char *path, size_t size)
{
	char line[512];
	path[0] = '\0';
	FILE *file = fopen("/proc/self/cgroup", "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, size, "%s", line + 3);
	}
	fclose(file);
}

// CPUs' worth of time that the cgroup at `path` may use, rounded up; 0: no limit. cpu.max holds a
// quota or `max`, and the period, in microseconds (cgroups(7), the kernel's cgroup-v2).
static unsigned quota_of(const char *path)
{
	char name[640];
	unsigned long long quota;
	unsigned long long period;
	snprintf(name, sizeof(name), CGROUP_ROOT "%s/cpu.max", path);
	FILE *file = fopen(name, "re");
	if (!file)
		return 0;
	int fields = fscanf(file, "%llu %llu", &quota, &period);
	fclose(file);
	if (fields != 2 || period == 0)
		return 0;
	return (unsigned)((quota + period - 1) / period);
}

unsigned cpus_online(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (unsigned)online : 1;
}

unsigned cpus_usable(void)
{
	unsigned usable = affinity();
	char path[512];
	find_cgroup(path, sizeof(path));
	// The limits of the groups above hold too, up to the root, which is that of a container.
	for (;;) {
		unsigned quota = quota_of(path);
		if (quota && quota < usable)
			usable = quota;
		char *last = strrchr(path, '/');
		if (!last)
			break;
		*last = '\0';
	}
	return usable ? usable : 1;
}
