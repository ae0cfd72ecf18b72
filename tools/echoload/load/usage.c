// The generator's own usage, from /proc, the cgroup and TCP_INFO.
#include "usage.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_file.h"
#include "echoload/common/cpu_time.h"

static uint64_t to_ns(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_usec * NS_PER_US;
}

struct usage_thread usage_of_thread(uint64_t worked)
{
	struct rusage own;
	getrusage(RUSAGE_THREAD, &own);
	struct usage_thread usage = {.at = clock_now(),
				     .worked = worked,
				     .user = to_ns(&own.ru_utime),
				     .system = to_ns(&own.ru_stime)};
	char path[64], text[128];
	unsigned long long ran, waited;
	snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", (long)gettid());
	if (proc_file_read(path, text, sizeof(text)) &&
	    sscanf(text, "%llu %llu", &ran, &waited) == 2)
		usage.waited = waited;
	return usage;
}

struct usage_machine usage_of_machine(void)
{
	char text[128];
	cpu_set_t ours;
	struct usage_machine usage = {
		.throttled = cpu_time_throttled(0),
		.waits_known = proc_file_read("/proc/thread-self/schedstat", text, sizeof(text)),
	};
	cpu_time_of_machine(&usage.wanted, &usage.stolen);
	if (sched_getaffinity(0, sizeof(ours), &ours) == 0) {
		usage.idle = cpu_time_idle(&ours);
		usage.cpus = (unsigned)CPU_COUNT(&ours);
	}
	return usage;
}

// What was counted before may be of sockets that have been closed since.
static uint64_t rise(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

struct usage_machine usage_since(const struct usage_machine *before)
{
	const struct usage_machine now = usage_of_machine();
	return (struct usage_machine){.throttled = rise(before->throttled, now.throttled),
				      .wanted = rise(before->wanted, now.wanted),
				      .stolen = rise(before->stolen, now.stolen),
				      .idle = rise(before->idle, now.idle),
				      .cpus = now.cpus,
				      .waits_known = now.waits_known};
}

static void note_round_trip(struct usage_tcp *usage, uint64_t least)
{
	if (least && (usage->least_round_trip == 0 || least < usage->least_round_trip))
		usage->least_round_trip = least;
}

// Zeros of another socket than one of TCP.
static struct tcp_info tcp_info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		memset(&info, 0, sizeof(info));
	return info;
}

void usage_note_connect(struct usage_tcp *usage, int fd)
{
	const struct tcp_info info = tcp_info_of(fd);
	if (info.tcpi_min_rtt != ~0U)
		note_round_trip(usage, info.tcpi_min_rtt);
}

static struct usage_socket counters_of(const struct tcp_info *info)
{
	return (struct usage_socket){info->tcpi_total_retrans, info->tcpi_dsack_dups,
				     info->tcpi_rwnd_limited, info->tcpi_busy_time};
}

struct usage_socket usage_of_socket(int fd)
{
	const struct tcp_info info = tcp_info_of(fd);
	return counters_of(&info);
}

void usage_add_socket(struct usage_tcp *usage, int fd, const struct usage_socket *before)
{
	int unread = 0, unsent = 0;
	const struct tcp_info info = tcp_info_of(fd);
	const struct usage_socket now = counters_of(&info);
	ioctl(fd, SIOCINQ, &unread);
	ioctl(fd, SIOCOUTQ, &unsent);
	usage->unread += (uint64_t)unread;
	usage->unsent += (uint64_t)unsent;
	usage->sockets++;
	usage->round_trips += info.tcpi_rtt;
	usage->retransmits += now.retransmits - before->retransmits;
	usage->needless += now.needless - before->needless;
	usage->limited_window += now.limited_window - before->limited_window;
	usage->busy += now.busy - before->busy;
}

void usage_add_sockets(struct usage_tcp *sum, const struct usage_tcp *usage)
{
	sum->sockets += usage->sockets;
	sum->retransmits += usage->retransmits;
	sum->needless += usage->needless;
	note_round_trip(sum, usage->least_round_trip);
	sum->round_trips += usage->round_trips;
	sum->unread += usage->unread;
	sum->unsent += usage->unsent;
	sum->limited_window += usage->limited_window;
	sum->busy += usage->busy;
}
