// How long the path is under the load: connects beside it, which wait in the path's queues as its
// messages do, but which no program has to answer. One thread.
#ifndef ECHOLOAD_PROBE_H
#define ECHOLOAD_PROBE_H

#include <stdint.h>

#include "echoload/load/config.h"

#define PROBE_MOST 100 // connects of a run

struct probe {
	const struct load_config *config;
	int fd;		      // of the connect on its way, -1: none
	uint64_t since, next; // when it began, when the next one may
	unsigned begun, count;
	int failure; // of the last that ended: an errno value or an enum connect_failure, 0: none
	uint64_t round_trip[PROBE_MOST]; // us, of `count` of them
};

void probe_init(struct probe *probe, const struct load_config *config);

// Begins a connect when it is time, and closes the one before. Does not wait.
void probe_step(struct probe *probe, uint64_t now);

// Closes what is open.
void probe_end(struct probe *probe);

// ns, the median; 0: too few came about to tell.
double probe_median(const struct probe *probe);

#endif
