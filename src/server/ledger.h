// The ledger: what became of the last connections that closed. A worker writes an entry before it
// closes the descriptor, so a client that sees the end finds it. Any thread.
#ifndef ECHOD_SERVER_LEDGER_H
#define ECHOD_SERVER_LEDGER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echo/conn.h"
#include "fault/plan.h"
#include "net/tcp_facts.h"
#include "stats/stats.h"

// How one end said that it was over.
enum ledger_end { LEDGER_END_NONE, LEDGER_END_FIN, LEDGER_END_RST };

struct ledger_entry {
	struct conn_info info;
	uint64_t closed_at; // clock_now; 0: it is open, and what follows is not known
	enum close_reason reason;
	enum ledger_end peer_end; // what the peer's side sent,
	enum ledger_end own_end;  // and what this one does
	struct tcp_facts tcp;
	struct fault_receipt faults;
};

struct ledger {
	size_t size;		      // entries that it keeps; 0: it is off
	pthread_mutex_t lock;	      // of what follows
	struct ledger_entry *entries; // a ring, touched on first use
	uint64_t total;		      // entries ever written
};

int ledger_open(struct ledger *ledger, size_t size, struct echod_error *error);
void ledger_close(struct ledger *ledger);

// Describes `conn`, which its owner is about to close for `reason`. With `resets` it will reset it.
void ledger_describe(struct ledger_entry *entry, const struct conn *conn, enum close_reason reason,
		     bool resets);

void ledger_add(struct ledger *ledger, const struct ledger_entry *entry);

// Entries ever written: the number of the next one.
uint64_t ledger_total(struct ledger *ledger);

// Copies at most `capacity` entries from number `*next` on, the oldest that is still there if that
// one is not, and moves `*next` on. Returns how many it copied.
size_t ledger_copy(struct ledger *ledger, uint64_t *next, struct ledger_entry *entries,
		   size_t capacity);

// Who ended a connection: `peer`, `server`, or `network` when the peer vanished.
const char *ledger_ended_by(enum close_reason reason);

#endif
