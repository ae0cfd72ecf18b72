// What limited a run: the server, the network, the generator itself, or nothing, as the offered
// rate was served. It is said only with evidence; without enough of it the verdict is
// INCONCLUSIVE. Main thread.
#ifndef ECHOLOAD_VERDICT_H
#define ECHOLOAD_VERDICT_H

#include <stddef.h>

#include "echoload/load/config.h"
#include "evidence.h"
#include "facts.h"

#define VERDICT_LINES 12
#define VERDICT_LINE 100

#define VERDICT_SERVED 0.99 // of the offered rate: it was served

enum verdict_kind {
	VERDICT_SERVER_BOUND,
	VERDICT_CLIENT_BOUND,
	VERDICT_RATE_LIMITED,
	VERDICT_NETWORK_BOUND,
	VERDICT_INCONCLUSIVE,
	VERDICT_KINDS,
};
const char *verdict_name(enum verdict_kind kind); // `SERVER-BOUND`, …

struct verdict {
	enum verdict_kind kind;
	char line[VERDICT_LINES][VERDICT_LINE]; // the reasons first, then what else was seen
	size_t count;
};

void verdict_reach(struct verdict *verdict, const struct load_config *config,
		   const struct facts *facts, const struct evidence *evidence);

#endif
