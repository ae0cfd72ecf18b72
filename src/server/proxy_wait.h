// Connections whose PROXY header has not come yet. They wait here for 3 seconds, without a worker.
// A header is looked at while it stays in the kernel, and only its own bytes are taken out: the
// pool gets the connection as if there had been none. The acceptor only.
#ifndef ECHOD_SERVER_PROXY_WAIT_H
#define ECHOD_SERVER_PROXY_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "echo/conn.h"
#include "proxy/trust.h"
#include "server/admission.h"
#include "server/complaints.h"
#include "stats/stats.h"

#define PROXY_WAIT_MAX 1024
#define PROXY_WAIT_TIME (3 * NS_PER_S) // the least that the specification allows (section 2)

struct proxy_wait {
	int epoll; // readable when proxy_wait_review has to look; -1: no address expects headers
	struct proxy_waiting *slots;
	struct proxy_waiting *free; // NULL: there is no room
	uint64_t soonest;	    // none is due before this time
	struct admission *admission;

	// Set by acceptor_run. They get the owner's connection. `proxy`: the peer's own address if
	// that of another client was told, else NULL. `what`: to be logged before the peer.
	void (*admit)(void *context, const struct conn_origin *origin, const union inet_end *proxy);
	void (*refuse)(void *context, const struct conn_origin *origin, enum counter counter,
		       enum complaint complaint, const char *what);
	void *context;
};

#define PROXY_WAIT_NONE ((struct proxy_wait){.epoll = -1, .soonest = CLOCK_NEVER})

int proxy_wait_open(struct proxy_wait *wait, struct admission *admission,
		    struct echod_error *error);
void proxy_wait_close(struct proxy_wait *wait);

// Takes a connection that was just accepted; there must be room, also in `admission`, where it has
// a place reserved while it waits. A peer that is not in `trust` is refused before a byte of it is
// read. If the header is there already, the connection is admitted at once.
void proxy_wait_add(struct proxy_wait *wait, const struct trust *trust,
		    const struct conn_origin *origin);

// If `ready`, looks at the connections that have sent something or ended. Refuses those whose time
// is up by `now`; CLOCK_NEVER: all.
void proxy_wait_review(struct proxy_wait *wait, bool ready, uint64_t now);

#endif
