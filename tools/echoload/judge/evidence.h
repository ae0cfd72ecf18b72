// What there is to judge a run by. Main thread.
#ifndef ECHOLOAD_EVIDENCE_H
#define ECHOLOAD_EVIDENCE_H

#include "echoload/load/config.h"
#include "echoload/load/tally.h"
#include "echoload/load/usage.h"
#include "facts.h"
#include "far_end.h"

// Shares are of the time of recording, 0 to 1.
struct evidence {
	double thread_busy;    // of the busiest thread of the generator: on a CPU; with --spin:
			       // that it had something to do
	double thread_waiting; // of the same: it waited for a CPU that others had
	double kernel;	       // of all the generator's CPU time: in the kernel
	double failing;	       // of the connections' time: spent after errors
	double stalled;	       // nobody let the generator run: stopped, or the whole machine was
	double throttled;      // the generator's CPU quota was used up
	double stolen; // CPU time that this machine wanted and its hypervisor gave to others:
		       // of what was wanted, or of the run if that is less
	double offered, served;	  // messages a second, open loop: due; answered within the time
	double lateness_p99;	  // ns, open loop: of the generator
	double window_limited;	  // of the time there was something to send: the peer's window was
				  // full
	double retransmitting;	  // of the connections' time, if each segment that had to be sent
				  // again costs 200 ms
	double least_round_trip;  // ns, what TCP has measured at least: the path alone
	double smooth_round_trip; // ns, what TCP measures lately, the mean
	double unread;		  // bytes that lay unread in our sockets, each, at the end
	struct far_end_view server;
};

void evidence_gather(struct evidence *evidence, const struct load_config *config,
		     const struct facts *facts, const struct book *book, const struct usage *usage,
		     const struct far_end_view *server);

#endif
