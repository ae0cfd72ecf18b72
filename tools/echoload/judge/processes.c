// Processes of this machine, as /proc shows them.
#include "processes.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_file.h"
#include "listening.h"

static void add_process(struct processes *processes, int pid)
{
	if (processes->count < PROCESSES)
		processes->pid[processes->count++] = pid;
}

static bool has_process(const struct processes *processes, int pid)
{
	for (size_t i = 0; i < processes->count; i++) {
		if (processes->pid[i] == pid)
			return true;
	}
	return false;
}

static bool has_socket(const char *pid, unsigned long inode)
{
	char folder[300], wanted[40], target[40];
	snprintf(folder, sizeof(folder), "/proc/%s/fd", pid);
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	DIR *directory = opendir(folder);
	bool found = false;
	struct dirent *entry;
	while (directory && !found && (entry = readdir(directory))) {
		ssize_t length =
			readlinkat(dirfd(directory), entry->d_name, target, sizeof(target));
		found = length == (ssize_t)strlen(wanted) &&
			memcmp(target, wanted, (size_t)length) == 0;
	}
	if (directory)
		closedir(directory);
	return found;
}

static void find_holders(struct processes *processes, unsigned long inode)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	while (directory && (entry = readdir(directory))) {
		int pid = atoi(entry->d_name);
		if (pid > 0 && has_socket(entry->d_name, inode))
			add_process(processes, pid);
	}
	if (directory)
		closedir(directory);
}

void processes_listening(struct processes *processes, const struct endpoint *endpoint)
{
	*processes = (struct processes){0};
	unsigned long inode = listening_inode(endpoint);
	if (inode)
		find_holders(processes, inode);
}

void processes_unite(struct processes *processes, const struct processes *more)
{
	for (size_t i = 0; i < more->count; i++) {
		if (!has_process(processes, more->pid[i]))
			add_process(processes, more->pid[i]);
	}
}

bool processes_overlap(const struct processes *one, const struct processes *other)
{
	for (size_t i = 0; i < one->count; i++) {
		if (has_process(other, one->pid[i]))
			return true;
	}
	return false;
}

unsigned processes_cpus(const struct processes *processes)
{
	cpu_set_t all, one;
	CPU_ZERO(&all);
	for (size_t i = 0; i < processes->count; i++) {
		if (sched_getaffinity(processes->pid[i], sizeof(one), &one) == 0)
			CPU_OR(&all, &all, &one);
	}
	int count = CPU_COUNT(&all);
	return count > 0 ? (unsigned)count : 1;
}

// The fields of /proc/PID/stat after the name, which may contain blanks. NULL: it has gone.
static const char *read_stat(int pid, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *rest = proc_file_read(path, text, size) ? strrchr(text, ')') : NULL;
	return rest && rest[1] ? rest + 2 : NULL;
}

bool processes_stopped(const struct processes *processes)
{
	char text[1024];
	for (size_t i = 0; i < processes->count; i++) {
		const char *state = read_stat(processes->pid[i], text, sizeof(text));
		if (state && (*state == 'T' || *state == 't'))
			return true;
	}
	return false;
}

static void measure_threads(int pid, struct processes_usage *usage)
{
	char path[300], text[128];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *directory = opendir(path);
	struct dirent *entry;
	while (directory && (entry = readdir(directory)) && usage->count < PROCESSES_THREADS) {
		struct processes_thread *thread = &usage->thread[usage->count];
		thread->tid = atoi(entry->d_name);
		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, thread->tid);
		if (thread->tid > 0 && proc_file_read(path, text, sizeof(text)) &&
		    sscanf(text, "%" SCNu64 " %" SCNu64, &thread->ran, &thread->waited) == 2)
			usage->count++;
	}
	if (directory)
		closedir(directory);
}

void processes_measure(const struct processes *processes, struct processes_usage *usage)
{
	usage->ran = 0;
	usage->count = 0;
	uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	for (size_t i = 0; i < processes->count; i++) {
		char text[1024];
		uint64_t user, system;
		const char *rest = read_stat(processes->pid[i], text, sizeof(text));
		if (rest &&
		    sscanf(rest, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
			   &user, &system) == 2)
			usage->ran += (user + system) * tick;
		measure_threads(processes->pid[i], usage);
	}
}
