// The generator's own usage, from /proc, the cgroup and TCP_INFO.
#include "usage.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
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
	struct usage_machine usage = {.throttled = cpu_time_throttled(0)};
	cpu_time_of_machine(&usage.wanted, &usage.stolen);
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
				      .stolen = rise(before->stolen, now.stolen)};
}

static void note_round_trip(struct usage_tcp *usage, uint64_t least)
{
	if (least && (usage->least_round_trip == 0 || least < usage->least_round_trip))
		usage->least_round_trip = least;
}

void usage_note_connect(struct usage_tcp *usage, int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_min_rtt == ~0U)
		return;
	note_round_trip(usage, info.tcpi_min_rtt);
}

void usage_add_socket(struct usage_tcp *usage, int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	memset(&info, 0, sizeof(info));
	int unread = 0, unsent = 0;
	ioctl(fd, SIOCINQ, &unread);
	ioctl(fd, SIOCOUTQ, &unsent);
	usage->unread += (uint64_t)unread;
	usage->unsent += (uint64_t)unsent;
	usage->sockets++;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return;
	usage->retransmits += info.tcpi_total_retrans;
	usage->needless += info.tcpi_dsack_dups;
	usage->round_trips += info.tcpi_rtt;
	usage->limited_window += info.tcpi_rwnd_limited;
	usage->busy += info.tcpi_busy_time;
}

void usage_add_sockets(struct usage_tcp *usage, const struct usage_tcp *before,
		       const struct usage_tcp *now)
{
	usage->sockets += now->sockets;
	usage->retransmits += rise(before->retransmits, now->retransmits);
	usage->needless += rise(before->needless, now->needless);
	note_round_trip(usage, now->least_round_trip);
	usage->round_trips += now->round_trips;
	usage->unread += now->unread;
	usage->unsent += now->unsent;
	usage->limited_window += now->limited_window;
	usage->busy += now->busy;
}
