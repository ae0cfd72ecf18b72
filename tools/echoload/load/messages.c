// The messages of a link. The threads of the loops.
#include "loop.h"

#include <math.h>

#include "base/clock.h"

#define STEPS 1000 // values for which all those that were due and never begun stand, of a link

static uint64_t waited(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

// How many of `count` new messages may begin. Takes them from those that --count allows, which are
// counted from the moment of recording on.
static uint64_t take(struct loop *loop, uint64_t count)
{
	if (loop->config->count == 0 || loop->now < loop->period->record)
		return count;
	struct period *period = loop->period;
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

static void begin_message(struct loop *loop, struct link *link, uint64_t due, uint64_t now)
{
	if (link->waiting == 0)
		link->moved_at = now;
	link->goal += sizes_draw(&loop->config->sizes, &link->random);
	unsigned place = (link->first + link->waiting) & (loop->ring - 1);
	link->messages[place] = (struct message){.end = link->goal, .due = due, .asked = now};
	link->waiting++;
	loop->owed++;
}

static void begin_closed(struct loop *loop, struct link *link, uint64_t now)
{
	while (link->waiting < loop->config->pipeline && link->left > 0 && take(loop, 1)) {
		begin_message(loop, link, link->due_since ? link->due_since : now, now);
		link->due_since = 0;
		link->left--;
	}
}

// Plans the message after that which is `number` of all and due after `after` ns. Message i of all
// is due at i / rate exactly when they are evenly spread: the connections take turns.
static void plan_next(const struct loop *loop, struct link *link)
{
	const struct load_config *config = loop->config;
	link->number += loop->period->links;
	double ns = config->arrival == ARRIVAL_POISSON
			    ? link->after + random_exponential(&link->random, loop->gap)
			    : link->number * 1e9 / config->rate;
	link->after = fmin(ns, 1e18);
	link->due = loop->period->begin + (uint64_t)link->after;
}

void messages_plan(struct loop *loop, struct link *link, uint64_t begin)
{
	double links = loop->period->links;
	link->after = (double)(begin - loop->period->begin);
	double missed = link->after * loop->config->rate / 1e9 - link->rank; // before it begins
	link->number = link->rank + (fmax(ceil(missed / links), 0) - 1) * links;
	plan_next(loop, link);
}

bool messages_may_begin(const struct loop *loop, const struct link *link)
{
	uint64_t stop = loop_stop(loop);
	uint64_t late = loop->period->late;
	return link->due < stop &&
	       (loop->now < stop || (loop->now - stop < late && stop - link->due < late));
}

static void begin_open(struct loop *loop, struct link *link, uint64_t now)
{
	struct book *book = loop->tally.open;
	while (link->waiting < loop->config->pipeline && link->due <= now) {
		// What was due before the end is still sent after it.
		if (!messages_may_begin(loop, link) || !take(loop, 1))
			return;
		if (loop_counts(loop, link->due)) {
			// It could not begin before both it was due and there was room for it.
			uint64_t could =
				link->due > link->free_since ? link->due : link->free_since;
			hdr_record(&book->lateness, waited(could, now));
			book->due++;
		}
		begin_message(loop, link, link->due, now);
		plan_next(loop, link);
	}
	if (link->waiting < loop->config->pipeline && messages_may_begin(loop, link))
		timers_set(&loop->timers, &link->timer, link->due);
}

void messages_begin(struct loop *loop, struct link *link, uint64_t now)
{
	if (loop->period->kind == PERIOD_CONNECT)
		return;
	if (loop->config->rate > 0)
		begin_open(loop, link, now);
	else if (now < loop_stop(loop))
		begin_closed(loop, link, now);
}

// What a message took, from when it was due and from when it was sent, if it was.
static void record(struct loop *loop, uint64_t due, uint64_t asked, uint64_t now)
{
	struct book *book = loop->tally.open;
	hdr_record(&book->latency, waited(due, now));
	if (loop->config->rate > 0)
		hdr_record(&book->uncorrected, waited(asked, now));
}

void messages_answered(struct loop *loop, struct link *link, uint64_t now)
{
	const struct message *message = &link->messages[link->first];
	if (loop_counts(loop, message->due))
		record(loop, message->due, message->asked, now);
	// Those of --count are the ones that began when recording had begun.
	bool early = loop->config->count > 0 && message->asked < loop->period->record;
	if (loop_counts(loop, now) && !early) {
		loop->tally.open->messages++;
		loop->tally.open->last = now;
	}
	loop->tally.open->answered++;
	link->answered = message->end;
	if (link->waiting == loop->config->pipeline)
		link->free_since = now;
	link->first = (link->first + 1) & (loop->ring - 1);
	link->waiting--;
	loop->owed--;
}

void messages_abandon(struct loop *loop, struct link *link)
{
	for (; link->waiting > 0; link->waiting--, loop->owed--) {
		const struct message *message = &link->messages[link->first];
		link->first = (link->first + 1) & (loop->ring - 1);
		if (!loop_counts(loop, message->due))
			continue;
		loop->tally.open->unanswered++;
		record(loop, message->due, message->asked, loop->now);
	}
}

// How many more are due from `from` on, evenly spread, until `to`.
static uint64_t count_due(const struct loop *loop, double from, double to)
{
	double count = fmax(ceil((to - from) / loop->gap - 1e-6), 1);
	return from < to ? (uint64_t)fmin(count, 1e18) : 0;
}

void messages_abandon_due(struct loop *loop, struct link *link)
{
	const struct period *period = loop->period;
	uint64_t stop = loop_stop(loop);
	if (loop->config->rate == 0 || !link->loaded || link->due >= stop ||
	    period->kind == PERIOD_CONNECT)
		return;
	// Where it had waited for too long by then, that was the end.
	uint64_t until = stop - link->due >= period->late ? stop : loop->now;
	double early =
		(double)count_due(loop, link->after, (double)(period->record - period->begin));
	double first = link->after + early * loop->gap;
	uint64_t count = take(loop, count_due(loop, first, (double)(stop - period->begin)));
	struct book *book = loop->tally.open;
	book->due += count;
	book->unanswered += count;
	uint64_t steps = count < STEPS ? count : STEPS;
	for (uint64_t i = 0; i < steps; i++) {
		uint64_t from = count * i / steps, to = count * (i + 1) / steps;
		double middle = first + (double)(from + to - 1) / 2 * loop->gap;
		hdr_record_many(&book->latency, waited(period->begin + (uint64_t)middle, until),
				to - from);
	}
}
