#include "generator.h"

#include <math.h>

#define UNBEGUN_SAMPLES \
	1000 // values that stand for all those of a connection that were due and never begun

static uint64_t waited(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

// How many of `count` new messages may begin. Takes them from those that --count allows, which
// count from the beginning of recording.
static uint64_t take(struct thread *thread, uint64_t count)
{
	if (thread->config->count == 0 || thread->now < thread->period->record)
		return count;
	struct period *period = thread->period;
	uint64_t left = atomic_load_explicit(&period->left, memory_order_relaxed);
	while (left > 0) {
		uint64_t taken = count < left ? count : left;
		if (atomic_compare_exchange_weak_explicit(&period->left, &left, left - taken,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return taken;
	}
	return 0;
}

static void begin_message(struct thread *thread, struct connection *conn, uint64_t due,
			  uint64_t now)
{
	if (conn->waiting == 0)
		conn->moved_at = now;
	conn->goal += sizes_draw(&thread->config->sizes, &conn->random);
	unsigned place = (conn->first + conn->waiting) & (thread->ring - 1);
	conn->messages[place] = (struct message){.end = conn->goal, .due = due, .begun = now};
	conn->waiting++;
	thread->owed++;
}

static void begin_closed(struct thread *thread, struct connection *conn, uint64_t now)
{
	while (conn->waiting < thread->config->pipeline && conn->left > 0 && take(thread, 1)) {
		begin_message(thread, conn, conn->due_since ? conn->due_since : now, now);
		conn->due_since = 0;
		conn->left--;
	}
}

// Plans the message after that which is `number` of all and due after `after` ns. Message i of all
// is due at i / rate exactly when they are evenly spread: the connections take turns.
static void plan_next(const struct thread *thread, struct connection *conn)
{
	const struct load_config *config = thread->config;
	conn->number += thread->period->connections;
	double ns = config->arrival == ARRIVAL_POISSON
			    ? conn->after + random_exponential(&conn->random, thread->gap)
			    : conn->number * 1e9 / config->rate;
	conn->after = fmin(ns, 1e18);
	conn->due = thread->period->begin + (uint64_t)conn->after;
}

void messages_plan(struct thread *thread, struct connection *conn, uint64_t begin)
{
	double connections = thread->period->connections;
	conn->after = (double)(begin - thread->period->begin);
	double missed = conn->after * thread->config->rate / 1e9 - conn->rank; // before it begins
	conn->number = conn->rank + (fmax(ceil(missed / connections), 0) - 1) * connections;
	plan_next(thread, conn);
}

bool messages_may_begin(const struct thread *thread, const struct connection *conn)
{
	uint64_t stop = thread_stop(thread), late = thread->period->late;
	return conn->due < stop &&
	       (thread->now < stop || (thread->now - stop < late && stop - conn->due < late));
}

static void begin_open(struct thread *thread, struct connection *conn, uint64_t now)
{
	struct counters *counters = thread->buffers.open;
	while (conn->waiting < thread->config->pipeline && conn->due <= now) {
		// What was due before the end is still sent after it.
		if (!messages_may_begin(thread, conn) || !take(thread, 1))
			return;
		if (thread_counts(thread, conn->due)) {
			// It could not begin before both it was due and there was room for it.
			uint64_t could =
				conn->due > conn->free_since ? conn->due : conn->free_since;
			hdr_record(&counters->lateness, waited(could, now));
			counters->due++;
		}
		begin_message(thread, conn, conn->due, now);
		plan_next(thread, conn);
	}
	if (conn->waiting < thread->config->pipeline && messages_may_begin(thread, conn))
		timers_set(&thread->timers, &conn->timer, conn->due);
}

void messages_begin(struct thread *thread, struct connection *conn, uint64_t now)
{
	if (thread->period->kind == PERIOD_CONNECT)
		return;
	if (thread->config->rate > 0)
		begin_open(thread, conn, now);
	else if (now < thread_stop(thread))
		begin_closed(thread, conn, now);
}

// Records how long a message took, from when it was due and from when it was begun.
static void record(struct thread *thread, uint64_t due, uint64_t begun, uint64_t now)
{
	struct counters *counters = thread->buffers.open;
	hdr_record(&counters->latency, waited(due, now));
	if (thread->config->rate > 0)
		hdr_record(&counters->uncorrected, waited(begun, now));
}

void messages_answered(struct thread *thread, struct connection *conn, uint64_t now)
{
	const struct message *message = &conn->messages[conn->first];
	if (thread_counts(thread, message->due))
		record(thread, message->due, message->begun, now);
	// Those of --count are the ones that began when recording had begun.
	bool early = thread->config->count > 0 && message->begun < thread->period->record;
	if (thread_counts(thread, now) && !early) {
		thread->buffers.open->messages++;
		thread->buffers.open->last = now;
	}
	thread->buffers.open->answered++;
	conn->answered = message->end;
	if (conn->waiting == thread->config->pipeline)
		conn->free_since = now;
	conn->first = (conn->first + 1) & (thread->ring - 1);
	conn->waiting--;
	thread->owed--;
}

void messages_abandon(struct thread *thread, struct connection *conn)
{
	for (; conn->waiting > 0; conn->waiting--, thread->owed--) {
		const struct message *message = &conn->messages[conn->first];
		conn->first = (conn->first + 1) & (thread->ring - 1);
		if (!thread_counts(thread, message->due))
			continue;
		thread->buffers.open->unanswered++;
		record(thread, message->due, message->begun, thread->now);
	}
}

// How many more are due from `from` on, evenly spread, until `to`.
static uint64_t count_due(const struct thread *thread, double from, double to)
{
	double count = fmax(ceil((to - from) / thread->gap - 1e-6), 1);
	return from < to ? (uint64_t)fmin(count, 1e18) : 0;
}

void messages_abandon_due(struct thread *thread, struct connection *conn)
{
	const struct period *period = thread->period;
	uint64_t stop = thread_stop(thread);
	if (thread->config->rate == 0 || !conn->loaded || conn->due >= stop ||
	    period->kind == PERIOD_CONNECT)
		return;
	// A message that had waited for too long by then was given up at that time.
	uint64_t until = stop - conn->due >= period->late ? stop : thread->now;
	double early =
		(double)count_due(thread, conn->after, (double)(period->record - period->begin));
	double first = conn->after + early * thread->gap;
	uint64_t count = take(thread, count_due(thread, first, (double)(stop - period->begin)));
	struct counters *counters = thread->buffers.open;
	counters->due += count;
	counters->unanswered += count;
	uint64_t steps = count < UNBEGUN_SAMPLES ? count : UNBEGUN_SAMPLES;
	for (uint64_t i = 0; i < steps; i++) {
		uint64_t from = count * i / steps, to = count * (i + 1) / steps;
		double middle = first + (double)(from + to - 1) / 2 * thread->gap;
		hdr_record_many(&counters->latency, waited(period->begin + (uint64_t)middle, until),
				to - from);
	}
}
