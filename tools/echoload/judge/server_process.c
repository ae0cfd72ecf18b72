#include "server_view.h"

#include <arpa/inet.h>
#include <glob.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_file.h"
#include "echoload/load/usage.h"

#define ACCEPTS 0x10000	 // of the flags in /proc/net/unix
#define ESTABLISHED 0x01 // of the states in /proc/net/tcp
#define LISTENING 0x0a
#define SOCKETS 1024 // of a server at most, a sample

// Sockets of the server: its connections, or with `visits` those that listen.
struct sockets {
	bool visits;
	unsigned long inode[SOCKETS];
	size_t count;
	bool here; // one has the very address, which else may be another machine's
};

static void add_socket(struct sockets *sockets, bool listens, unsigned long inode)
{
	if (inode && listens == sockets->visits && sockets->count < SOCKETS)
		sockets->inode[sockets->count++] = inode;
}

static void find_local(struct sockets *sockets, const char *path)
{
	char line[512], name[256];
	FILE *file = fopen("/proc/net/unix", "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned flags;
		unsigned long inode;
		if (sscanf(line, "%*s %*x %*x %x %*x %*x %lu %255[^\n]", &flags, &inode, name) ==
			    3 &&
		    strcmp(name, path) == 0)
			add_socket(sockets, flags & ACCEPTS, inode);
	}
	if (file)
		fclose(file);
}

// Adds the sockets of a table that has IPv4 or IPv6 addresses.
static void find_inet(struct sockets *sockets, sa_family_t family, const union inet_end *end)
{
	bool is_v4 = family == AF_INET;
	char line[512];
	FILE *file = fopen(is_v4 ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
	while (file && fgets(line, sizeof(line), file)) {
		uint32_t word[4] = {0}; // of the address, each as this machine would read it
		unsigned port, state;
		unsigned long inode;
		int at = 0;
		if (is_v4)
			sscanf(line, "%*u: %8" SCNx32 "%n", &word[0], &at);
		else
			sscanf(line, "%*u: %8" SCNx32 "%8" SCNx32 "%8" SCNx32 "%8" SCNx32 "%n",
			       &word[0], &word[1], &word[2], &word[3], &at);
		if (sscanf(line + at, ":%x %*s %x %*s %*s %*s %*s %*s %lu", &port, &state,
			   &inode) != 3 ||
		    htons((uint16_t)port) != end->v4.sin_port)
			continue;
		struct endpoint local = {.as.any.sa_family = family};
		memcpy(is_v4 ? (void *)&local.as.v4.sin_addr : &local.as.v6.sin6_addr, word,
		       is_v4 ? sizeof(word[0]) : sizeof(word));
		const union inet_end own = inet_end_from(&local);
		bool listens = state == LISTENING, same = inet_end_same_address(&own, end);
		sockets->here |= same;
		if (listens ? same || inet_end_is_any(&own) : same && state == ESTABLISHED)
			add_socket(sockets, listens, inode);
	}
	if (file)
		fclose(file);
}

static void find_sockets(struct sockets *sockets, const struct endpoint *target)
{
	if (target->as.any.sa_family == AF_UNIX) {
		sockets->here = true;
		char text[ADDRESS_TEXT_SIZE]; // the table shows a name as we do
		find_local(sockets, address_path_in(endpoint_format(target, text)));
		return;
	}
	union inet_end end = inet_end_from(target);
	if (inet_end_is_any(&end) && end.any.sa_family == AF_INET) // so connect(2) takes it
		end.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (inet_end_is_any(&end))
		end.v6.sin6_addr = in6addr_loopback;
	find_inet(sockets, AF_INET, &end);
	find_inet(sockets, AF_INET6, &end);
}

static bool has_process(const struct processes *processes, int pid)
{
	for (size_t i = 0; i < processes->count; i++) {
		if (processes->pid[i] == pid)
			return true;
	}
	return false;
}

// How many of the sockets, 0 or 1, the descriptor is whose link in /proc this is.
static size_t count_held(const struct sockets *sockets, const char *link)
{
	char target[40];
	unsigned long inode;
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return 0;
	size_t held = 0;
	for (size_t i = 0; i < sockets->count; i++)
		held += sockets->inode[i] == inode;
	return held;
}

bool processes_find(struct processes *processes, const struct endpoint *target, bool visits)
{
	struct sockets sockets = {.visits = visits};
	size_t all = 0;
	glob_t links = {0};
	find_sockets(&sockets, target);
	if (sockets.here && sockets.count > 0)
		glob("/proc/[0-9]*/fd/*", GLOB_NOSORT, NULL, &links);
	bool fit = true;
	for (size_t i = 0; i < links.gl_pathc && fit; i++) {
		int pid = atoi(links.gl_pathv[i] + strlen("/proc/"));
		size_t held = count_held(&sockets, links.gl_pathv[i]);
		all += held;
		if (held == 0 || has_process(processes, pid))
			continue;
		fit = processes->count < PROCESSES;
		if (fit)
			processes->pid[processes->count++] = pid;
	}
	globfree(&links);
	// Some may have been closed since.
	if (!fit || all == 0 || 2 * all < sockets.count)
		processes->count = 0;
	return processes->count > 0;
}

struct processes processes_of(const struct load_config *config, size_t first, size_t end)
{
	struct processes processes = {.count = 0};
	bool visits = load_mode_takes(config->mode, "visit"), known = true;
	for (size_t i = first; i < end && known; i++)
		known = processes_find(&processes, &config->targets[i], visits);
	return processes;
}

bool processes_same(const struct processes *one, const struct processes *other)
{
	for (size_t i = 0; i < one->count; i++) {
		if (!has_process(other, one->pid[i]))
			return false;
	}
	return one->count == other->count;
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
	char pattern[64], text[128];
	cpu_set_t cpus;
	glob_t files = {0};
	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", pid);
	glob(pattern, GLOB_NOSORT, NULL, &files);
	for (size_t i = 0; i < files.gl_pathc && usage->count < PROCESSES_THREADS; i++) {
		struct processes_thread *thread = &usage->thread[usage->count];
		if (sscanf(files.gl_pathv[i], "/proc/%*d/task/%d", &thread->tid) != 1 ||
		    !proc_file_read(files.gl_pathv[i], text, sizeof(text)) ||
		    sscanf(text, "%" SCNu64 " %" SCNu64, &thread->ran, &thread->waited) != 2)
			continue;
		usage->count++;
		if (sched_getaffinity(thread->tid, sizeof(cpus), &cpus) == 0)
			CPU_OR(&usage->cpus, &usage->cpus, &cpus);
	}
	globfree(&files);
}

void processes_measure(const struct processes *processes, struct processes_usage *usage)
{
	*usage = (struct processes_usage){.at = clock_now()};
	uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	for (size_t i = 0; i < processes->count; i++) {
		char text[1024];
		uint64_t of[4]; // user, system; the same of children that were waited for
		const char *rest = read_stat(processes->pid[i], text, sizeof(text));
		if (rest && sscanf(rest,
				   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
				   " %" SCNu64 " %" SCNu64 " %" SCNu64,
				   &of[0], &of[1], &of[2], &of[3]) == 4)
			usage->ran += (of[0] + of[1] + of[2] + of[3]) * tick;
		measure_threads(processes->pid[i], usage);
		uint64_t throttled = usage_throttled(processes->pid[i]);
		usage->throttled = throttled > usage->throttled ? throttled : usage->throttled;
	}
	usage->idle = usage_idle(&usage->cpus);
}

struct processes_load processes_load(const struct processes_usage *before,
				     const struct processes_usage *after)
{
	double lasted = (double)(after->at - before->at), cpus = CPU_COUNT(&after->cpus);
	struct processes_load load = PROCESSES_LOAD_UNKNOWN;
	if (after->count == 0 || before->count == 0 || lasted <= 0)
		return load;
	load.cpu = (double)(after->ran - before->ran) / lasted / cpus;
	if (after->idle > 0) // the kernel's clocks and ours do not agree
		load.idle = fmin(
			fmax((double)after->idle - (double)before->idle, 0) / lasted / cpus, 1);
	load.throttled = (double)(after->throttled - before->throttled) / lasted;
	if (after->count == PROCESSES_THREADS)
		return load; // there are more
	load.busy = load.waiting = 0;
	double waited = 0;
	for (size_t i = 0; i < after->count; i++) {
		const struct processes_thread *now = &after->thread[i];
		size_t k = 0;
		while (k < before->count && before->thread[k].tid != now->tid)
			k++;
		if (k == before->count) // it did not exist all the time
			continue;
		double busy = (double)(now->ran - before->thread[k].ran) / lasted;
		double waiting = (double)(now->waited - before->thread[k].waited) / lasted;
		waited += waiting;
		if (busy + waiting > load.busy + load.waiting) {
			load.busy = busy;
			load.waiting = waiting;
		}
	}
	load.wanted = load.cpu + waited / cpus;
	return load;
}
