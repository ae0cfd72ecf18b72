// Small files of the kernel's, in /proc and /sys.
#include "proc_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

bool proc_file_read(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, size - 1, file) : 0;
	text[length] = '\0';
	if (file)
		fclose(file);
	return length > 0;
}

// Of the cgroup whose folder this is.
static uint64_t throttled_of(const char *folder)
{
	char path[700], text[1024];
	snprintf(path, sizeof(path), "%s/cpu.stat", folder);
	if (!proc_file_read(path, text, sizeof(text)))
		return 0;
	uint64_t time = 0;
	const char *found = strstr(text, "throttled_usec ");
	if (found && sscanf(found, "throttled_usec %" SCNu64, &time) == 1)
		return time * NS_PER_US;
	found = strstr(text, "throttled_time ");
	return found && sscanf(found, "throttled_time %" SCNu64, &time) == 1 ? time : 0;
}

// The hierarchy of a line `NUMBER:CONTROLLERS:PATH` is mounted there, if it is one for CPUs.
static const char *mount_of(const char *controllers, size_t length)
{
	if (length == 0)
		return "/sys/fs/cgroup";
	if (length == 3 && memcmp(controllers, "cpu", 3) == 0)
		return "/sys/fs/cgroup/cpu";
	if (length == 11 && memcmp(controllers, "cpu,cpuacct", 11) == 0)
		return "/sys/fs/cgroup/cpu,cpuacct";
	return NULL;
}

static uint64_t throttled_in(const char *mount, const char *group)
{
	char folder[600];
	snprintf(folder, sizeof(folder), "%s%s", mount, group);
	uint64_t most = 0;
	for (size_t top = strlen(mount); strlen(folder) >= top;) {
		uint64_t time = throttled_of(folder);
		most = time > most ? time : most;
		char *last = strrchr(folder, '/');
		if (strlen(folder) == top || !last)
			break;
		*last = '\0';
	}
	return most;
}

uint64_t proc_file_throttled(int pid)
{
	char name[40], text[4096];
	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	if (!proc_file_read(pid ? name : "/proc/self/cgroup", text, sizeof(text)))
		return 0;
	uint64_t most = 0;
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n"))) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		const char *mount = mount_of(controllers + 1, (size_t)(group - controllers - 1));
		uint64_t time = mount ? throttled_in(mount, group + 1) : 0;
		most = time > most ? time : most;
	}
	return most;
}

void proc_file_cpu_time(uint64_t *wanted, uint64_t *stolen)
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
