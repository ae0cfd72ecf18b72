// The threads of the generator, what they share, and the periods in which they work. Main thread.
#ifndef ECHOLOAD_THREADS_H
#define ECHOLOAD_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config.h"
#include "loop.h"
#include "tally.h"

struct threads {
	const struct load_config *config;
	struct payload payload;
	struct schedule schedule; // of the period; to be changed while all are at rest
	unsigned links;
	struct link *link;	  // of `links`
	struct message *messages; // theirs
	struct loop *loops;
	unsigned started;
};

// Starts the threads, which are at rest then. `config` outlives them. Returns 0 or -1; in either
// case threads_close ends what there is.
int threads_open(struct threads *threads, const struct load_config *config, struct error *error);
void threads_close(struct threads *threads, struct book *book); // engine_close. They are at rest.

// Begins the period that `schedule` says, with the links of `groups` (a bit set, config_group).
void threads_begin(struct threads *threads, uint64_t groups);

// Has each look around.
void threads_nudge(const struct threads *threads);

// Ends the period at `moment`, if it would end later.
void threads_stop_at(struct threads *threads, uint64_t moment);

bool threads_rest(const struct threads *threads); // whether all do

// Waits until `moment`, or until a thread comes to rest, or for an ending signal (base/signals.h).
void threads_await(const struct threads *threads, uint64_t moment);

// Adds what they have counted since the last call to `sum`. Waits for a round of each loop at most.
void threads_collect(struct threads *threads, struct book *sum);

// How far they are, without `elapsed`. `live`: now, or of those at rest when recording ended.
struct progress threads_progress(const struct threads *threads);

uint64_t threads_answered_at(const struct threads *threads); // when the last message counted was

#endif
