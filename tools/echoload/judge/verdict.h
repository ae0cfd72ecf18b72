// What limited a run. A verdict rests on an experiment (experiment.h) or on a direct measurement;
// without one it is INCONCLUSIVE, and the first line says what was missing. Main thread.
#ifndef ECHOLOAD_VERDICT_H
#define ECHOLOAD_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "echoload/load/engine.h"
#include "experiment.h"
#include "server_view.h"

// Shares are of the time of recording, 0 to 1. NAN: not known.
struct evidence {
	double thread_busy;    // of the busiest thread of the generator: on a CPU; with --spin:
			       // that it had something to do
	double thread_waiting; // of the same: it waited for a CPU that others had
	double failing;	       // of the connections' time: spent after errors
	double stalled;	       // the generator was not woken: stopped, or the whole machine was
	double throttled;      // the generator's CPU quota was used up
	double stolen; // CPU time that this machine wanted and its hypervisor gave to others:
		       // of what was wanted, or of the run if that is less
	double idle;		 // of the CPUs that we may use: not used by anybody
	double lateness_p99;	 // ns, open loop: of the generator
	double window_limited;	 // of the time there was something to send: the peer's window was
				 // full
	double retransmitting;	 // of the connections' time, if each segment that had to be sent
				 // again costs 200 ms
	double least_round_trip; // ns, what TCP has measured at least: the path alone

	// Open loop.
	double offered;	    // messages a second that were due
	unsigned intervals; // in which the latency is known
	double rise;	    // ns by which it rose over the run; 0: not more than by chance
	bool steadily;	    // in the second half of the run, too
	bool sustained;	    // the messages due were served in time, and latency did not rise

	struct server_view server;
	struct experiment experiment;
};

// The mean latency of each interval of the run, ns.
struct series {
	double *value; // of malloc, NULL: none
	size_t count;
};

// Fills all except `server` and `experiment`.
void evidence_gather(struct evidence *evidence, const struct engine_result *result,
		     const struct series *latency);

#define VERDICT_LINES 12
#define VERDICT_LINE 120

enum verdict_kind {
	VERDICT_RATE_LIMITED,	   // open loop: the rate was sustained
	VERDICT_OVERLOADED,	   // open loop: it was not, and not for want of connections
	VERDICT_CLIENT_BOUND,	   // the generator itself was the limit
	VERDICT_CONCURRENCY_BOUND, // more connections bring more, at least half in proportion
	VERDICT_SERVER_BOUND,	   // they do not, and the server is full
	VERDICT_NETWORK_BOUND,	   // they do not, and the path is full
	VERDICT_SATURATED,	   // they do not, and which of the two is full is not known
	VERDICT_INCONCLUSIVE,
	VERDICT_KINDS,
};
extern const char *const verdict_names[VERDICT_KINDS]; // `SERVER-BOUND`, …

struct verdict {
	const struct engine_result *result; // of which it is
	const struct evidence *evidence;
	enum verdict_kind kind;
	bool needs_experiment;			// none has been made
	char line[VERDICT_LINES][VERDICT_LINE]; // the reasons first, then other facts
	size_t count;
};

void verdict_reach(struct verdict *verdict, const struct engine_result *result,
		   const struct evidence *evidence);

#endif
