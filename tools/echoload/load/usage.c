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
#include "echoload/common/proc_file.h"

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

void usage_note_connect(struct usage *usage, int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_min_rtt == ~0U)
		return;
	if (usage->least_round_trip == 0 || info.tcpi_min_rtt < usage->least_round_trip)
		usage->least_round_trip = info.tcpi_min_rtt;
}

void usage_add_socket(struct usage *usage, int fd)
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
	usage->round_trips += info.tcpi_rtt;
	usage->limited_window += info.tcpi_rwnd_limited;
	usage->busy += info.tcpi_busy_time;
}
