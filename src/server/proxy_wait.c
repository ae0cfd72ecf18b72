#include "server/proxy_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/errno_class.h"
#include "net/socket.h"
#include "proxy/header.h"

#define EVENTS 64
#define ENDED (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct proxy_waiting {
	struct proxy_waiting *next; // in the free list
	struct conn_origin origin;
	uint64_t deadline; // 0: the slot is free
	bool is_listed;	   // in the epoll set
};

// By proxy_verdict, and two more reasons.
enum { UNTRUSTED = PROXY_VERDICTS, TIMEOUT };

static const struct refusal {
	enum counter counter;
	enum complaint complaint;
	const char *what;
} refusals[] = {
#define REFUSAL(name, what)                                            \
	{                                                              \
		COUNTER_proxy_rejected_##name, COMPLAINT_proxy_##name, \
			what ", reset a connection from "              \
	}
	[PROXY_INCOMPLETE] = REFUSAL(eof, "ended before its PROXY header"),
	[PROXY_MALFORMED] = REFUSAL(malformed, "no PROXY header, or a malformed one"),
	[PROXY_TOO_LARGE] = REFUSAL(too_large, "a PROXY header that is too large"),
	[PROXY_WRONG_CRC] = REFUSAL(crc, "a PROXY header with a wrong checksum"),
	[PROXY_WRONG_VERSION] = REFUSAL(version, "a PROXY header of an unknown version"),
	[UNTRUSTED] = REFUSAL(untrusted, "a PROXY header would not be trusted (trust=)"),
	[TIMEOUT] = REFUSAL(timeout, "no whole PROXY header in time"),
};

int proxy_wait_open(struct proxy_wait *wait, struct admission *admission, struct echod_error *error)
{
	*wait = PROXY_WAIT_NONE;
	wait->admission = admission;
	wait->slots = calloc(PROXY_WAIT_MAX, sizeof(struct proxy_waiting));
	wait->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!wait->slots || wait->epoll < 0) {
		proxy_wait_close(wait);
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "no memory or descriptor for PROXY headers");
	}
	for (size_t i = 0; i < PROXY_WAIT_MAX; i++) {
		wait->slots[i].next = wait->free;
		wait->free = &wait->slots[i];
	}
	return 0;
}

void proxy_wait_close(struct proxy_wait *wait)
{
	if (wait->epoll >= 0)
		close(wait->epoll);
	free(wait->slots);
	*wait = PROXY_WAIT_NONE;
}

// The connection is the caller's again. A child of the host program may hold its descriptor too, so
// that a close alone would leave it in the set.
static struct conn_origin take_out(struct proxy_wait *wait, struct proxy_waiting *slot)
{
	if (slot->is_listed)
		epoll_ctl(wait->epoll, EPOLL_CTL_DEL, slot->origin.fd, NULL);
	slot->deadline = 0;
	slot->next = wait->free;
	wait->free = slot;
	admission_release(wait->admission);
	return slot->origin;
}

static void refuse(struct proxy_wait *wait, struct proxy_waiting *slot, unsigned why)
{
	const struct conn_origin origin = take_out(wait, slot);
	const struct refusal *refusal = &refusals[why];
	wait->refuse(wait->context, &origin, refusal->counter, refusal->complaint, refusal->what);
}

static void admit(struct proxy_wait *wait, struct proxy_waiting *slot, const union inet_end *client)
{
	struct conn_origin origin = take_out(wait, slot);
	const union inet_end proxy = origin.peer;
	bool is_told = client->any.sa_family != AF_UNSPEC;
	origin.accepted_at = clock_now(); // its own time begins here
	if (is_told)
		origin.proxy = proxy, origin.peer = *client;
	wait->admit(wait->context, &origin, is_told ? &proxy : NULL);
}

// Looks at what has come from a connection; `has_ended`: no more comes. Returns whether it goes on
// waiting.
static bool look_at(struct proxy_wait *wait, struct proxy_waiting *slot, bool has_ended)
{
	char bytes[PROXY_HEADER_MAX];
	int fd = slot->origin.fd;
	struct proxy_header header;
	enum proxy_verdict verdict = PROXY_INCOMPLETE;
	ssize_t count = socket_receive(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	if (count > 0)
		verdict = proxy_parse(bytes, (size_t)count, &header);
	else if (count == 0 || errno_classify(errno) != ERRNO_TRY_AGAIN)
		has_ended = true;
	if (verdict == PROXY_INCOMPLETE && !has_ended)
		return true;
	// All of the header is there to be taken out, unless the connection has been reset
	// meanwhile.
	if (verdict == PROXY_COMPLETE &&
	    socket_receive(fd, bytes, header.length, MSG_DONTWAIT) == (ssize_t)header.length)
		admit(wait, slot, &header.client);
	else
		refuse(wait, slot, verdict == PROXY_COMPLETE ? PROXY_INCOMPLETE : verdict);
	return false;
}

void proxy_wait_add(struct proxy_wait *wait, const struct trust *trust,
		    const struct conn_origin *origin)
{
	struct proxy_waiting *slot = wait->free;
	ensure(slot);
	wait->free = slot->next;
	admission_reserve(wait->admission);
	*slot = (struct proxy_waiting){.origin = *origin,
				       .deadline = clock_deadline(PROXY_WAIT_TIME)};
	if (!trust_covers(trust, &origin->peer)) {
		refuse(wait, slot, UNTRUSTED);
		return;
	}
	if (!look_at(wait, slot, false))
		return;
	if (slot->deadline < wait->soonest)
		wait->soonest = slot->deadline;
	// What has come meanwhile gives an event too. Without a place in the set it is looked at
	// once more, at its deadline.
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = slot};
	slot->is_listed = epoll_ctl(wait->epoll, EPOLL_CTL_ADD, origin->fd, &event) == 0;
}

void proxy_wait_review(struct proxy_wait *wait, bool ready, uint64_t now)
{
	struct epoll_event events[EVENTS];
	int count = ready ? epoll_wait(wait->epoll, events, EVENTS, 0) : 0;
	for (int i = 0; i < count; i++)
		look_at(wait, events[i].data.ptr, events[i].events & ENDED);
	if (now < wait->soonest)
		return;
	wait->soonest = CLOCK_NEVER;
	for (size_t i = 0; wait->slots && i < PROXY_WAIT_MAX; i++) {
		struct proxy_waiting *slot = &wait->slots[i];
		if (slot->deadline > now && slot->deadline < wait->soonest)
			wait->soonest = slot->deadline;
		if (slot->deadline && slot->deadline <= now && look_at(wait, slot, false))
			refuse(wait, slot, TIMEOUT);
	}
}
