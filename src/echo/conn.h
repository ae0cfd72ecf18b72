// A connection. It has one owner at every moment: the acceptor until it submits it, the work queue,
// then the worker that serves it, which closes it. The stats thread may look at it, through the
// table only.
#ifndef ECHOD_ECHO_CONN_H
#define ECHOD_ECHO_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "pool/work_queue.h"

// Where a connection comes from. Plain values, never changed.
struct conn_origin {
	int fd;
	uint64_t accepted_at; // clock_now
	union inet_end peer;  // family AF_UNIX: no more is known of it than the user
	union inet_end local;
	const char *local_name; // the listener's; lives as long as the server
	uint32_t peer_user;	// AF_UNIX: the user id
};

// Its peer and its own end as people read them: `127.0.0.1:5000`, `unix user 1000`, `unix:/path`.
// Returns `text`, which has room for ADDRESS_TEXT_SIZE bytes, or a string that lives as long as the
// server.
const char *conn_peer_text(const struct conn_origin *origin, char *text);
const char *conn_local_text(const struct conn_origin *origin, char *text);

struct conn {
	struct work work; // in the queue
	uint64_t id;	  // from 1, never used again
	struct conn_origin origin;

	// The owner's.
	char *tail; // malloc'd: received and not yet sent, when its peer does not read; or NULL
	size_t tail_length;
	size_t tail_sent;
	bool stuck;	    // its peer does not read,
	int unacknowledged; // and has left so many bytes unacknowledged, the least that was seen
	int heat;	    // how much polling for it has paid lately

	// Written by the owner, read by the stats thread to be shown; nothing hangs on them,
	// relaxed order.
	_Atomic uint64_t bytes_received;
	_Atomic uint64_t bytes_sent;
	_Atomic uint64_t
		active_at;	 // clock_now_coarse when it last received, or its peer took a byte
	_Atomic unsigned worker; // the id of the worker that serves it, 0: none does
};

static inline struct conn *conn_of(const struct work *work)
{
	return (struct conn *)((uintptr_t)work - offsetof(struct conn, work));
}

// Only the owner adds.
static inline void conn_count(_Atomic uint64_t *value, uint64_t amount)
{
	uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, old + amount, memory_order_relaxed);
}

// Whether all that came in has gone out.
static inline bool conn_all_echoed(const struct conn *conn)
{
	return atomic_load_explicit(&conn->bytes_received, memory_order_relaxed) ==
	       atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed);
}

// Whether a reset by its peer cost nothing, as far as can be known: nothing that came in is left
// unread or unsent, and what went out is acknowledged except for one segment at most, whose
// acknowledgement the peer may be delaying. Over AF_UNIX a reset says that the peer left bytes
// unread.
bool conn_reset_is_harmless(const struct conn *conn);

// Closes a connection's descriptor; the one place where that is done. With `all_echoed` the peer
// sees an orderly end if it has no bytes left unread here; else it sees a reset, as it must not
// take what it got for all. (AF_UNIX knows no reset on purpose: there the peer sees one only if it
// sent bytes that nobody read.) The end does not wait for a child of the host program that holds
// the descriptor since a fork, except for a reset over AF_UNIX.
void conn_close_fd(int fd, bool all_echoed);

#endif
