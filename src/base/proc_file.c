#include "base/proc_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

bool proc_file_read(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, size - 1, file) : 0;
	text[length] = '\0';
	if (file)
		fclose(file);
	return length > 0;
}

// Walks from `group` up to the root of the hierarchy that is mounted at /sys/fs/cgroup + `mount`.
static void climb(const char *mount, const char *group,
		  void (*visit)(const char *folder, void *context), void *context)
{
	char folder[PATH_MAX];
	int top = snprintf(folder, sizeof(folder), "/sys/fs/cgroup%s", mount);
	if (strcmp(group, "/") != 0)
		snprintf(folder + top, sizeof(folder) - (size_t)top, "%s", group);
	for (char *end = folder; end; end = strrchr(folder + top, '/')) {
		if (end != folder)
			*end = '\0';
		visit(folder, context);
	}
}

void proc_file_cpu_cgroups(int pid, void (*visit)(const char *folder, void *context), void *context)
{
	char path[40], text[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (!proc_file_read(pid ? path : "/proc/self/cgroup", text, sizeof(text)))
		return;
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n"))) { // NUMBER:CONTROLLERS:GROUP
		char list[80], mount[80];
		strsep(&line, ":");
		const char *controllers = strsep(&line, ":");
		if (!line)
			continue;
		snprintf(list, sizeof(list), ",%s,", controllers);
		snprintf(mount, sizeof(mount), "/%s", controllers);
		if (!*controllers) { // version 2, alone or beside version 1
			climb("", line, visit, context);
			climb("/unified", line, visit, context);
		} else if (strstr(list, ",cpu,")) {
			climb(mount, line, visit, context);
			climb("/cpu", line, visit, context);
		}
	}
}
