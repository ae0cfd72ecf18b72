// The faults of a server: of its --faulty listeners, which can be changed while it runs, and the
// plans of its connections. Every injected fault is counted and logged here.
#ifndef ECHOD_FAULT_FAULTS_H
#define ECHOD_FAULT_FAULTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "echo/conn.h"
#include "fault/plan.h"
#include "stats/stats.h"

struct faulty_listener {
	bool is_faulty; // constant once the server runs
	struct fault_set set;
	uint64_t number; // of its next connection; a new set begins with 0
};

// `lock` guards the listeners and the limits.
struct faults {
	pthread_mutex_t lock;
	struct faulty_listener listeners[STATS_MAX_LISTENERS];
	struct log_limit limits[INJECTIONS];
	struct log *log;
	struct fault_plan next;	  // of the connection that is being accepted; the acceptor's
	struct fault_plan *plans; // of each slot of the table, its owner's; NULL: no --faulty
};

// With faulty listeners, reserves the plans of `capacity` connections. To close what is all zero is
// allowed.
int faults_open(struct faults *faults, size_t capacity, struct log *log, struct echod_error *error);
void faults_close(struct faults *faults);

// Gives the listener another set of faults, for its new connections. A set without faults ends
// them. Any thread.
void faults_set(struct faults *faults, size_t listener, const struct fault_set *set);

// Copies the listener's set. Returns false if it is no --faulty one. Any thread.
bool faults_get(struct faults *faults, size_t listener, struct fault_set *set);

// How many listeners have any now. Any thread.
uint64_t faults_active(struct faults *faults);

// Warns in the log of what the listener at `address` does, if it is a --faulty one. Any thread.
void faults_announce(struct faults *faults, size_t listener, const char *address);

// Makes the plan of the next connection to `listener`; returns its kinds, 0: there is nothing to be
// done. Then gives it to the connection in that slot. The acceptor.
uint32_t faults_decide(struct faults *faults, size_t listener);
void faults_assign(struct faults *faults, size_t slot);

// Counts and logs, at most once a second of each kind, a fault at byte `at` of the stream. The
// worker that owns the connection, with its `stats`.
void faults_note(struct faults *faults, const struct conn *conn, struct fault_plan *plan,
		 enum injection kind, uint64_t at, struct thread_stats *stats);

#endif
