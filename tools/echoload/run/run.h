// One run of the load, from the first connect to what there is to say about it. Main thread.
#ifndef ECHOLOAD_RUN_H
#define ECHOLOAD_RUN_H

#include <stdbool.h>

#include "base/error.h"
#include "echoload/judge/verdict.h"
#include "outputs.h"
#include "report.h"

struct run {
	struct engine_result result;
	struct evidence evidence;
	struct verdict verdict;
	bool interrupted; // by a signal
};

// Runs the load, until an ending signal at most (base/signals.h). `progress` shows how far it is;
// each interval goes to `outputs`, which may be NULL. Returns 0; or -1: it could not begin, or not
// one connection came about. Then there is nothing to free.
int run_load(struct run *run, const struct load_config *config, struct screen *progress,
	     struct outputs *outputs, struct error *error);

void run_free(struct run *run);

#endif
