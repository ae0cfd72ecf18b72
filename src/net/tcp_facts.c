#include "net/tcp_facts.h"

#include <linux/sockios.h>
#include <linux/tcp.h> // the C library's netinet/tcp.h has less, and cannot be included beside it
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"

static uint64_t ask(int fd, unsigned long request)
{
	int value = 0;
	return ioctl(fd, request, &value) == 0 ? (uint64_t)value : FACT_UNKNOWN;
}

void tcp_facts_read(int fd, struct tcp_facts *facts)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	*facts = (struct tcp_facts){
		ask(fd, SIOCINQ), FACT_UNKNOWN, FACT_UNKNOWN, FACT_UNKNOWN,
		FACT_UNKNOWN,	  FACT_UNKNOWN, FACT_UNKNOWN, FACT_UNKNOWN,
	};
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return;
	facts->unacknowledged = ask(fd, SIOCOUTQ);
// A field beyond what the kernel has filled in is unknown.
#define TELLS(field) (size >= offsetof(struct tcp_info, field) + sizeof(info.field))
	if (TELLS(tcpi_total_retrans))
		facts->retransmits = info.tcpi_total_retrans;
	if (TELLS(tcpi_rtt) && info.tcpi_rtt > 0)
		facts->rtt = info.tcpi_rtt * NS_PER_US;
	if (TELLS(tcpi_min_rtt) && info.tcpi_min_rtt != ~0U)
		facts->rtt_min = info.tcpi_min_rtt * NS_PER_US;
	if (!TELLS(tcpi_sndbuf_limited))
		return;
	facts->busy = info.tcpi_busy_time * NS_PER_US;
	facts->rwnd_limited = info.tcpi_rwnd_limited * NS_PER_US;
	facts->sndbuf_limited = info.tcpi_sndbuf_limited * NS_PER_US;
#undef TELLS
}
