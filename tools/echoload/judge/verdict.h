// What limited a run. A verdict rests on an experiment (experiment.h) or on a direct measurement;
// without one it is INCONCLUSIVE, and the first line says what was missing. Main thread.
#ifndef ECHOLOAD_VERDICT_H
#define ECHOLOAD_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "echoload/load/config.h"
#include "evidence.h"
#include "facts.h"

#define VERDICT_LINES 12
#define VERDICT_LINE 120

enum verdict_kind {
	VERDICT_RATE_LIMITED,	   // open loop: the rate was sustained
	VERDICT_OVERLOADED,	   // open loop: it was not, and not for want of connections
	VERDICT_CLIENT_BOUND,	   // the generator itself was the limit
	VERDICT_CONCURRENCY_BOUND, // more connections bring more
	VERDICT_SERVER_BOUND,	   // they do not, and the server is full
	VERDICT_NETWORK_BOUND,	   // they do not, and the path is full
	VERDICT_SATURATED,	   // they do not, and which of the two is full is not known
	VERDICT_INCONCLUSIVE,
	VERDICT_KINDS,
};
const char *verdict_name(enum verdict_kind kind); // `SERVER-BOUND`, …

struct verdict {
	enum verdict_kind kind;
	bool needs_experiment;			// which has not been made
	char line[VERDICT_LINES][VERDICT_LINE]; // the reasons first, then what else was seen
	size_t count;
};

void verdict_reach(struct verdict *verdict, const struct load_config *config,
		   const struct facts *facts, const struct evidence *evidence);

#endif
