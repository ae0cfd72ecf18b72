// A thread of the generator: its connections, their timers and one epoll set. Nothing is allocated
// while it runs, but to look into a fault.
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

// When things happen, clock_now. Set before the threads are nudged for the first time; `stop` may
// come nearer while they run.
struct schedule {
	uint64_t begin;	       // the first connect
	uint64_t record;       // what is due from here on is counted
	_Atomic uint64_t stop; // nothing new begins
	_Atomic uint64_t left; // messages that may still begin, if --count is given
};

struct loop {
	const struct load_config *config;
	const struct loop *loops; // of all threads, to know what connections of others have sent
	struct verify_scope scope;
	struct schedule *schedule;
	struct tally *tally;
	pthread_t thread;
	unsigned index; // of the thread

	struct link *links;
	unsigned count;
	unsigned ring; // messages on their way on a link at most, a power of two
	struct timers timers;
	int epoll;
	int nudge;	      // an eventfd: the main thread wants something
	char *in, *out;	      // LOOP_BUFFER bytes each
	uint64_t now;	      // when the round began
	uint64_t answered_at; // when the last message counted was
	unsigned connecting;
	struct link *queue, *queue_end; // links that wait for their turn to connect
	uint64_t look_again;		// not before, while the last messages are waited for
	unsigned paths;			// looked at
	uint64_t worked_for;		// ns in which there was something to do
	bool nudged, worked;   // the main thread has come; the last round had something to do
	double gap;	       // open loop: mean time between two messages of a link, ns
	_Atomic bool ready;    // waits for its first nudge
	_Atomic bool finished; // all links are at rest after `stop`

	// Its own usage when recording began and when it stopped, and what the kernel told of its
	// sockets then; for the main thread once it is `finished`.
	bool recording, stopped;
	struct usage_thread at_record, at_stop;
	struct usage_tcp before; // of the sockets that were open when recording began
	unsigned live_at_stop;
	struct usage_tcp sockets;
};

// The first connection of a thread: they are dealt out evenly, the first threads have one more.
unsigned loop_first(const struct load_config *config, unsigned thread);

// Takes the memory for the links of the thread `loop->index`. `payload` outlives it. -1: none left.
int loop_init(struct loop *loop, const struct payload *payload);
void loop_free(struct loop *loop);

void *loop_run(void *argument); // a struct loop

// Has the thread look around: time-outs, its book, whether the run is over. Any thread.
void loop_nudge(const struct loop *loop);

// Whether a new message may begin. Takes one of those that --count allows, which are counted from
// the moment of recording on.
bool loop_takes_one(struct loop *loop);
bool loop_is_over(const struct loop *loop);

// Whether what happens, or is due, at that moment is recorded.
static inline bool loop_counts(const struct loop *loop, uint64_t moment)
{
	return moment >= loop->schedule->record &&
	       moment < atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
}

// The open book.
static inline struct book *loop_book(const struct loop *loop)
{
	return loop->tally->open;
}

#endif
