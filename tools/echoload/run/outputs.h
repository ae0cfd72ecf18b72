// The files that a run leaves behind: --json, --hgrm, --hlog, --csv; and the interval lines. Main
// thread.
#ifndef ECHOLOAD_OUTPUTS_H
#define ECHOLOAD_OUTPUTS_H

#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "echoload/load/engine.h"
#include "echoload/result/result.h"
#include "options.h"
#include "report.h"

struct outputs {
	const struct options *options;
	struct screen *screen;	    // where interval lines go
	FILE *stream[OUTPUT_FILES]; // those of --hlog and --csv, from the first interval on
	struct error failure;	    // of the first of the two that could not be written
	struct result result;

	// The interval that is being put together, of one or more of the engine's.
	struct result_interval interval;
	struct hdr latency;
};

// Looks at the files, so that one which cannot be written is known before the load begins. They are
// left as they are until there is something to write.
int outputs_open(struct outputs *outputs, const struct options *options, struct screen *screen,
		 struct error *error);

void outputs_interval(struct outputs *outputs, const struct interval *interval);

// Writes what is written at the end, each whatever becomes of the others. Returns 0, or -1 when one
// could not be written. `extra`, or NULL: more evidence, a JSON object whose members are added.
struct run;
int outputs_finish(struct outputs *outputs, const struct run *run, json_t *extra,
		   struct error *error);

void outputs_close(struct outputs *outputs);

// The load as it took effect, and this machine, for a result. NULL: no memory.
json_t *outputs_configuration(const struct load_config *config);
json_t *outputs_machine(void);

#endif
