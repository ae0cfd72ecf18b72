#include "fault/faults.h"

#include <stdlib.h>

_Static_assert(COUNTER_faults_injected_half_close - COUNTER_faults_injected_reset ==
		       INJECT_half_close,
	       "the counters stand in the order of the faults");

int faults_open(struct faults *faults, size_t capacity, struct log *log, struct echod_error *error)
{
	bool is_wanted = false;
	pthread_mutex_init(&faults->lock, NULL);
	for (size_t i = 0; i < STATS_MAX_LISTENERS; i++)
		is_wanted = is_wanted || faults->listeners[i].is_faulty;
	faults->log = log;
	// Zeroed by the system: pages are not touched before their first use.
	faults->plans = is_wanted ? calloc(capacity, sizeof(struct fault_plan)) : NULL;
	if (is_wanted && !faults->plans)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for the plans of --faulty");
	return 0;
}

void faults_close(struct faults *faults)
{
	free(faults->plans);
}

void faults_set(struct faults *faults, size_t listener, const struct fault_set *set)
{
	struct faulty_listener *faulty = &faults->listeners[listener];
	pthread_mutex_lock(&faults->lock);
	faulty->set = *set;
	faulty->number = 0;
	pthread_mutex_unlock(&faults->lock);
}

bool faults_get(struct faults *faults, size_t listener, struct fault_set *set)
{
	const struct faulty_listener *faulty = &faults->listeners[listener];
	if (!faulty->is_faulty)
		return false;
	pthread_mutex_lock(&faults->lock);
	*set = faulty->set;
	pthread_mutex_unlock(&faults->lock);
	return true;
}

uint64_t faults_active(struct faults *faults)
{
	uint64_t count = 0;
	pthread_mutex_lock(&faults->lock);
	for (size_t i = 0; i < STATS_MAX_LISTENERS; i++)
		count += faults->listeners[i].set.kinds != 0;
	pthread_mutex_unlock(&faults->lock);
	return count;
}

void faults_announce(struct faults *faults, size_t listener, const char *address)
{
	struct fault_set set;
	char text[FAULT_SET_TEXT_SIZE];
	if (!faults_get(faults, listener, &set))
		return;
	fault_set_format(&set, text);
	log_write(faults->log, ECHOD_LOG_WARNING, "faulty",
		  LOG_FIELDS({"address", .text = address}, {"faults", .text = text}),
		  "%s is --faulty, new connections misbehave on purpose: %s", address, text);
}

uint32_t faults_decide(struct faults *faults, size_t listener)
{
	struct faulty_listener *faulty = &faults->listeners[listener];
	if (!faulty->is_faulty)
		return 0;
	pthread_mutex_lock(&faults->lock);
	uint32_t kinds = fault_plan_make(&faults->next, &faulty->set, faulty->number++);
	pthread_mutex_unlock(&faults->lock);
	return kinds;
}

void faults_assign(struct faults *faults, size_t slot)
{
	faults->plans[slot] = faults->next;
}

void faults_note(struct faults *faults, const struct conn *conn, struct fault_plan *plan,
		 enum injection kind, uint64_t at, struct thread_stats *stats)
{
	char peer[ADDRESS_TEXT_SIZE];
	uint64_t suppressed = 0;
	plan->receipt.count[kind]++;
	plan->receipt.last = injection_name(kind);
	plan->receipt.last_at = at;
	plan->is_spoilt |= kind != INJECT_delay && kind != INJECT_trickle;
	counter_add(stats, (enum counter)(COUNTER_faults_injected_reset + kind), 1);
	if (!log_wants(faults->log, ECHOD_LOG_INFO))
		return;
	pthread_mutex_lock(&faults->lock);
	bool passes = log_limit_pass(faults->log, &faults->limits[kind], &suppressed);
	pthread_mutex_unlock(&faults->lock);
	if (!passes)
		return;
	log_write(faults->log, ECHOD_LOG_INFO, "fault_injected",
		  LOG_FIELDS({"connection", .number = conn->work.id},
			     {"peer", .text = conn_peer_text(&conn->origin, peer)},
			     {"fault", .text = injection_name(kind)}, {"offset", .number = at},
			     {"suppressed", .number = suppressed}),
		  "fault on purpose: %s at byte %llu of connection %llu from %s (%llu more since "
		  "the last line)",
		  injection_name(kind), (unsigned long long)at, (unsigned long long)conn->work.id,
		  conn_peer_text(&conn->origin, peer), (unsigned long long)suppressed);
}
