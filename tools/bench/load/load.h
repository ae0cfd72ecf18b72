// A small closed-loop load generator: what is asked for, what was measured, and the modes. One
// thread.
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "histogram.h"
#include "usage.h"

struct job {
	unsigned short port;
	unsigned connections;
	unsigned idle; // connections held beside them, which say nothing
	size_t size;   // bytes in a message
	uint64_t duration;
	uint64_t warmup;
	pid_t server; // its process group, 0: unknown
};

struct result {
	uint64_t messages;	    // echoed within the window
	struct latencies latencies; // of those that were also sent within it
	uint64_t bulk_bytes;	    // echoed to bulk connections within the window
	uint64_t errors;	    // connections that failed, or whose echo was wrong
	uint64_t unserved;	    // connections that never got an echo

	// The window that counts, after the warm-up.
	uint64_t started;
	uint64_t ended;
	struct usage server_before;
	struct usage server_after;
	uint64_t own_cpu_us;
};

// Each mode connects, runs for the warm-up and the window, and closes all. Returns 0, or -1 with
// `error`.
int ping_run(const struct job *job, struct result *result, struct error *error);
int stream_run(const struct job *job, struct result *result, struct error *error);
int mixed_run(const struct job *job, struct result *result, struct error *error);
int churn_run(const struct job *job, struct result *result, struct error *error);
int blocking_run(const struct job *job, struct result *result, struct error *error);

// What time it is for the measurement. Called with the present time; true as long as the run goes
// on. Opens and closes the window.
bool window_open(const struct job *job, struct result *result, uint64_t now);

// Counts a message sent at `asked` whose echo was complete at `now`, if the window is open.
void window_record(struct result *result, uint64_t asked, uint64_t now);

// Counts bytes echoed to a bulk connection, if the window is open.
void window_add_bulk(struct result *result, uint64_t bytes);

// Connects to the server, waiting up to 10 s for it to listen. Returns the descriptor of a blocking
// socket that closes with a reset, so that no port stays taken, or -1 with `error`.
int link_connect(unsigned short port, struct error *error);

// Opens `count` connections that say one byte, hear it, and then nothing. Counts those not served
// in `result`. Returns their descriptors, for idle_close, or NULL with `error`.
int *idle_open(unsigned short port, unsigned count, struct result *result, struct error *error);
void idle_close(int *fds, unsigned count);

#endif
