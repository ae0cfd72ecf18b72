// CPU time that there was, or was not.
#include "cpu_time.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_file.h"

// Raises `*most` to the time of the cgroup whose folder this is.
static void note_throttled(const char *folder, void *most)
{
	char path[PATH_MAX + 16], text[1024];
	uint64_t *known = most, time = 0;
	snprintf(path, sizeof(path), "%s/cpu.stat", folder);
	if (!proc_file_read(path, text, sizeof(text)))
		return;
	const char *found = strstr(text, "throttled_usec ");
	if (found && sscanf(found, "throttled_usec %" SCNu64, &time) == 1)
		time *= NS_PER_US;
	else if ((found = strstr(text, "throttled_time ")))
		sscanf(found, "throttled_time %" SCNu64, &time);
	if (time > *known)
		*known = time;
}

uint64_t cpu_time_throttled(int pid)
{
	uint64_t most = 0;
	proc_file_cpu_cgroups(pid, note_throttled, &most);
	return most;
}

void cpu_time_of_machine(uint64_t *wanted, uint64_t *stolen)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, KINDS };
	uint64_t of[KINDS] = {0};
	char text[256];
	*wanted = *stolen = 0;
	if (!proc_file_read("/proc/stat", text, sizeof(text)) || strncmp(text, "cpu ", 4) != 0)
		return;
	char *at = text + 4;
	for (size_t i = 0; i < KINDS; i++)
		of[i] = strtoull(at, &at, 10);
	uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	*stolen = of[STEAL] * tick;
	*wanted = *stolen + (of[USER] + of[NICE] + of[SYSTEM] + of[IRQ] + of[SOFTIRQ]) * tick;
}

uint64_t cpu_time_idle(const cpu_set_t *cpus)
{
	char line[256];
	uint64_t ticks = 0;
	FILE *file = fopen("/proc/stat", "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned cpu;
		uint64_t idle, waits; // the latter for a disk
		if (sscanf(line, "cpu%u %*u %*u %*u %" SCNu64 " %" SCNu64, &cpu, &idle, &waits) ==
			    3 &&
		    CPU_ISSET(cpu, cpus))
			ticks += idle + waits;
	}
	if (file)
		fclose(file);
	return ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}
