// The state of a thread of the generator: its connections, their timers and one epoll set.
#ifndef ECHOLOAD_LOOP_H
#define ECHOLOAD_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "echoload/verify/verify.h"
#include "link.h"
#include "tally.h"
#include "timers.h"
#include "usage.h"

#define LOOP_BUFFER (256UL << 10)

// A period: who sends what, and when (clock_now). It is set while all threads are at rest, but
// `stop` and `end` may come nearer while they run.
struct schedule {
	uint64_t groups; // a bit set (config_group): connections of all others rest, and are kept
	unsigned links;	 // how many are not to rest
	bool measured;	 // take stock of what the generator itself uses
	uint64_t begin;	 // the first connect; CLOCK_NEVER: those that are closed are connected, no
			 // more
	uint64_t ramp;	 // ns over which the links begin
	uint64_t record; // from here on it is counted
	_Atomic uint64_t stop; // nothing new is due
	_Atomic uint64_t end;  // what comes from here on is not counted
	uint64_t
		late; // for that long what was due before `stop` may still begin, before and after,
	uint64_t grace;	       // and for that long after it what is on its way is waited for
	_Atomic uint64_t left; // messages that may still begin, if --count is given

	_Atomic unsigned period; // the number of this one, set last
	bool over;		 // there is no more
	int rested;		 // an eventfd: a thread is at rest
};

struct loop {
	const struct load_config *config;
	const struct link *all; // links of all threads, to know what others have sent; [id]
	struct verify_scope scope;
	struct schedule *schedule;
	struct tally tally;
	pthread_t thread;
	unsigned index; // of the thread

	struct link *links; // a list: `next`
	unsigned count;	    // of it
	unsigned ring;	    // messages on their way on a link at most, a power of two
	struct timers timers;
	int epoll;
	int nudge;	      // an eventfd: the main thread wants something
	char *in, *out;	      // LOOP_BUFFER bytes each
	uint64_t now;	      // when the round began
	uint64_t answered_at; // when the last message counted was
	unsigned connecting;
	struct link *queue, *queue_end; // links that wait for their turn to connect
	uint64_t owed;	      // messages on their way, and connections whose end is awaited
	unsigned untried;     // links still to be connected before the time begins
	unsigned paths;	      // looked at
	uint64_t worked_for;  // ns in which there was something to do
	bool nudged, worked;  // the main thread has come; the last round had something to do
	double gap;	      // open loop: mean time between two messages of a link, ns
	uint64_t last;	      // when the last connection is given up, after the last period
	unsigned period;      // that it works on, or has worked on
	_Atomic bool resting; // until the next one

	struct load_errors unconnected; // of all connects, recorded or not

	// Its own usage when recording began and when it stopped, and what the kernel told of its
	// sockets then; for the main thread once it is `resting`.
	bool recording, stopped;
	struct usage_thread at_record, at_stop;
	unsigned live_at_stop;
	struct usage_tcp sockets;
};

// Whether the period is over, but for what is on its way.
static inline bool loop_is_over(const struct loop *loop)
{
	return loop->schedule->over ||
	       loop->now >= atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
}

// Whether what happens, or is due, at that moment is recorded.
static inline bool loop_counts(const struct loop *loop, uint64_t moment)
{
	return moment >= loop->schedule->record &&
	       moment < atomic_load_explicit(&loop->schedule->end, memory_order_relaxed);
}

// Whether links are only connected, before the time begins.
static inline bool loop_prepares(const struct loop *loop)
{
	return loop->schedule->begin == CLOCK_NEVER;
}

// Whether connections are made for each visit, and so are never held.
static inline bool loop_visits(const struct loop *loop)
{
	return loop->config->mode == MODE_CHURN || loop->config->mode == MODE_HALF_CLOSE;
}

// The open book.
static inline struct book *loop_book(const struct loop *loop)
{
	return loop->tally.open;
}

#endif
