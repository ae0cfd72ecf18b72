// The messages of a link. The threads of the loops.
#include "messages.h"

#include "base/clock.h"
#include "loop.h"

static uint64_t waited(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
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
	unsigned most = loop->config->mode == MODE_HALF_CLOSE ? 1 : loop->config->pipeline;
	while (link->waiting < most && link->left > 0 && loop_takes_one(loop)) {
		begin_message(loop, link, link->due_since ? link->due_since : now, now);
		link->due_since = 0;
		link->left--;
	}
}

static double gap(const struct loop *loop, struct link *link)
{
	return loop->config->arrival == ARRIVAL_POISSON
		       ? random_exponential(&link->random, loop->gap)
		       : loop->gap;
}

static void begin_open(struct loop *loop, struct link *link, uint64_t now)
{
	struct book *book = loop_book(loop);
	uint64_t stop = atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
	while (link->waiting < loop->config->pipeline && (uint64_t)link->due <= now) {
		uint64_t due = (uint64_t)link->due;
		// What was due before the end is still sent after it.
		if (due >= stop || (now >= stop && now - stop >= loop->schedule->late) ||
		    !loop_takes_one(loop))
			return;
		if (loop_counts(loop, due)) {
			// It could not begin before both it was due and there was room for it.
			uint64_t could = due > link->free_since ? due : link->free_since;
			hdr_record(&book->lateness, waited(could, now));
			book->due++;
		}
		begin_message(loop, link, due, now);
		link->due += gap(loop, link);
	}
	if (link->waiting < loop->config->pipeline && (uint64_t)link->due < stop)
		timers_set(&loop->timers, &link->timer, (uint64_t)link->due);
}

void messages_begin(struct loop *loop, struct link *link, uint64_t now)
{
	if (loop_prepares(loop))
		return;
	if (loop->config->rate > 0)
		begin_open(loop, link, now);
	else if (now < atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed))
		begin_closed(loop, link, now);
}

// What a message took, from when it was due and from when it was sent, if it was.
static void record(struct loop *loop, uint64_t due, uint64_t asked, uint64_t now)
{
	struct book *book = loop_book(loop);
	hdr_record(&book->latency, waited(due, now));
	if (loop->config->rate > 0 && asked > 0)
		hdr_record(&book->uncorrected, waited(asked, now));
}

void messages_answered(struct loop *loop, struct link *link, uint64_t now)
{
	const struct message *message = &link->messages[link->first];
	if (loop_counts(loop, message->due))
		record(loop, message->due, message->asked, now);
	// Those of --count are the ones that began when recording had begun.
	bool early = loop->config->count > 0 && message->asked < loop->schedule->record;
	if (loop_counts(loop, now) && !early) {
		loop_book(loop)->messages++;
		loop->answered_at = now;
	}
	link->answered = message->end;
	if (link->waiting == loop->config->pipeline)
		link->free_since = now;
	link->first = (link->first + 1) & (loop->ring - 1);
	link->waiting--;
	loop->owed--;
}

static void abandon(struct loop *loop, uint64_t due, uint64_t asked)
{
	if (!loop_counts(loop, due))
		return;
	loop_book(loop)->unanswered++;
	record(loop, due, asked, clock_now());
}

void messages_abandon(struct loop *loop, struct link *link)
{
	for (; link->waiting > 0; link->waiting--, loop->owed--) {
		const struct message *message = &link->messages[link->first];
		abandon(loop, message->due, message->asked);
		link->first = (link->first + 1) & (loop->ring - 1);
	}
}

void messages_abandon_due(struct loop *loop, struct link *link)
{
	uint64_t stop = atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
	while (loop->config->rate > 0 && link->due > 0 && (uint64_t)link->due < stop &&
	       loop_takes_one(loop)) {
		uint64_t due = (uint64_t)link->due;
		loop_book(loop)->due += loop_counts(loop, due);
		abandon(loop, due, 0);
		link->due += gap(loop, link);
	}
}
