// What the kernel knows of a connection before it is closed: tcp(7), TCP_INFO in the kernel's
// linux/tcp.h. It stays readable after FINs and after a reset, until close(2). Any thread.
#ifndef ECHOD_NET_TCP_FACTS_H
#define ECHOD_NET_TCP_FACTS_H

#include <stdint.h>

#define FACT_UNKNOWN UINT64_MAX // as of AF_UNIX, or of a kernel that does not tell

struct tcp_facts {
	uint64_t unread;	 // bytes that came in and were not read
	uint64_t unacknowledged; // bytes that went out, of which the peer has not said it got them
	uint64_t retransmits;	 // segments sent again
	uint64_t rtt;		 // smoothed, ns
	uint64_t rtt_min;	 // ns
	uint64_t busy;		 // ns in which there was something to send,
	uint64_t rwnd_limited;	 // of these, limited by the peer's window,
	uint64_t sndbuf_limited; // or by the own buffer; the kernel rounds all three to its tick
};

// Fills in all fields.
void tcp_facts_read(int fd, struct tcp_facts *facts);

#endif
