// What the server has used. Any thread.
#include "usage.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// The value of `key` in a file of /proc with lines such as `Pss:  12 kB`; 0 if there is none.
static uint64_t read_value(long pid, const char *file, const char *key)
{
	char path[64];
	char line[128];
	uint64_t value = 0;
	snprintf(path, sizeof(path), "/proc/%ld/%s", pid, file);
	FILE *stream = fopen(path, "re");
	if (!stream)
		return 0;
	while (fgets(line, sizeof(line), stream)) {
		if (strncmp(line, key, strlen(key)) == 0) {
			value = strtoull(line + strlen(key), NULL, 10);
			break;
		}
	}
	fclose(stream);
	return value;
}

// Reads group and CPU time, in ticks, from /proc/PID/stat. Returns 0, or -1 if the process is gone.
static int read_stat(long pid, pid_t *group, uint64_t *ticks)
{
	char path[64];
	char line[1024];
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *stream = fopen(path, "re");
	if (!stream)
		return -1;
	const char *got = fgets(line, sizeof(line), stream);
	fclose(stream);
	// Its name, in brackets, may hold anything.
	char *field = got ? strrchr(line, ')') : NULL;
	*ticks = 0;
	char *rest = NULL;
	int number = 2;
	for (field = field ? strtok_r(field, " ", &rest) : NULL; field;
	     field = strtok_r(NULL, " ", &rest), number++) {
		if (number == 5)
			*group = (pid_t)strtol(field, NULL, 10);
		else if (number >= 14 && number <= 17) // utime stime cutime cstime
			*ticks += strtoull(field, NULL, 10);
	}
	return number > 17 ? 0 : -1;
}

struct usage usage_of_group(pid_t group)
{
	struct usage usage = {0};
	DIR *proc = group ? opendir("/proc") : NULL;
	if (!proc)
		return usage;
	uint64_t ticks = 0;
	long last = 0;
	const struct dirent *entry;
	while ((entry = readdir(proc)) != NULL) {
		pid_t its_group = 0;
		uint64_t its_ticks = 0;
		long pid = strtol(entry->d_name, NULL, 10);
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    read_stat(pid, &its_group, &its_ticks) != 0 || its_group != group)
			continue;
		last = pid;
		ticks += its_ticks;
		usage.processes++;
		usage.memory_kib += read_value(pid, "smaps_rollup", "Pss:");
	}
	closedir(proc);
	if (usage.processes == 1)
		usage.memory_kib = read_value(last, "status", "VmRSS:");
	usage.cpu_us = ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	return usage;
}

uint64_t usage_of_self(void)
{
	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}
