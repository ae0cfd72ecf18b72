#include "usage.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_file.h"

static uint64_t to_ns(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_usec * NS_PER_US;
}

struct usage_thread usage_of_thread(uint64_t worked, const struct usage_thread *before)
{
	struct rusage own;
	char text[128];
	unsigned long long ran, waited = 0;
	getrusage(RUSAGE_THREAD, &own);
	if (proc_file_read("/proc/thread-self/schedstat", text, sizeof(text)))
		(void)sscanf(text, "%llu %llu", &ran, &waited);
	return (struct usage_thread){.at = clock_now() - before->at,
				     .worked = worked - before->worked,
				     .user = to_ns(&own.ru_utime) - before->user,
				     .system = to_ns(&own.ru_stime) - before->system,
				     .waited = waited - before->waited};
}

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

uint64_t usage_throttled(int pid)
{
	uint64_t most = 0;
	proc_file_cpu_cgroups(pid, note_throttled, &most);
	return most;
}

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, CPU_TIMES };

// Times of CPUs in ns since the machine was started (proc(5)): of these together; NULL: of all.
// Zeros if the system does not show them.
static void read_cpu_times(const cpu_set_t *cpus, uint64_t of[static CPU_TIMES])
{
	char line[256];
	uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	FILE *file = fopen("/proc/stat", "re");
	while (file && fgets(line, sizeof(line), file) && strncmp(line, "cpu", 3) == 0) {
		char *at = line + 3;
		bool is_sum = *at == ' ';
		unsigned long cpu = is_sum ? 0 : strtoul(at, &at, 10);
		if (cpus ? is_sum || !CPU_ISSET(cpu, cpus) : !is_sum)
			continue;
		for (size_t i = 0; i < CPU_TIMES; i++)
			of[i] += strtoull(at, &at, 10) * tick;
	}
	if (file)
		fclose(file);
}

uint64_t usage_idle(const cpu_set_t *cpus)
{
	uint64_t of[CPU_TIMES] = {0};
	read_cpu_times(cpus, of);
	return of[IDLE] + of[IOWAIT]; // the latter: waits for a disk
}

struct usage_machine usage_of_machine(void)
{
	char text[128];
	cpu_set_t ours;
	uint64_t of[CPU_TIMES] = {0};
	struct usage_machine usage = {
		.throttled = usage_throttled(0),
		.waits_known = proc_file_read("/proc/thread-self/schedstat", text, sizeof(text)),
	};
	read_cpu_times(NULL, of);
	usage.stolen = of[STEAL];
	usage.wanted = of[STEAL] + of[USER] + of[NICE] + of[SYSTEM] + of[IRQ] + of[SOFTIRQ];
	if (sched_getaffinity(0, sizeof(ours), &ours) == 0) {
		usage.idle = usage_idle(&ours);
		usage.cpus = (unsigned)CPU_COUNT(&ours);
	}
	return usage;
}

// The kernel's counters may fall, as when a CPU is taken away.
static uint64_t rise(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

struct usage_machine usage_since(const struct usage_machine *before)
{
	struct usage_machine now = usage_of_machine();
	now.throttled = rise(before->throttled, now.throttled);
	now.wanted = rise(before->wanted, now.wanted);
	now.stolen = rise(before->stolen, now.stolen);
	// 0 stands for unknown, not for never idle.
	now.idle = now.idle > before->idle ? now.idle - before->idle : now.idle > 0;
	return now;
}

static void note_round_trip(struct usage_tcp *usage, uint64_t least)
{
	if (least && (usage->least_round_trip == 0 || least < usage->least_round_trip))
		usage->least_round_trip = least;
}

// All zeros unless the socket is of TCP.
static struct tcp_info tcp_info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	(void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info;
}

void usage_note_connect(struct usage_tcp *usage, int fd)
{
	const struct tcp_info info = tcp_info_of(fd);
	if (info.tcpi_min_rtt != ~0U)
		note_round_trip(usage, info.tcpi_min_rtt);
}

struct usage_tcp usage_of_socket(int fd)
{
	int unread = 0, unsent = 0;
	const struct tcp_info info = tcp_info_of(fd);
	ioctl(fd, SIOCINQ, &unread);
	ioctl(fd, SIOCOUTQ, &unsent);
	return (struct usage_tcp){.sockets = 1,
				  .retransmits = info.tcpi_total_retrans,
				  .needless = info.tcpi_dsack_dups,
				  .unread = (uint64_t)unread,
				  .unsent = (uint64_t)unsent,
				  .limited_window = info.tcpi_rwnd_limited,
				  .busy = info.tcpi_busy_time};
}

void usage_add_sockets(struct usage_tcp *sum, const struct usage_tcp *usage,
		       const struct usage_tcp *before)
{
	sum->sockets += usage->sockets;
	sum->retransmits += usage->retransmits - before->retransmits;
	sum->needless += usage->needless - before->needless;
	note_round_trip(sum, usage->least_round_trip);
	sum->unread += usage->unread;
	sum->unsent += usage->unsent;
	sum->limited_window += usage->limited_window - before->limited_window;
	sum->busy += usage->busy - before->busy;
}
