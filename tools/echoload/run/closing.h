// The report at the end of a run, for people: at most 80 columns. Main thread only.
#ifndef ECHOLOAD_CLOSING_H
#define ECHOLOAD_CLOSING_H

#include <stdbool.h>
#include <stddef.h>

#include "echoload/judge/facts.h"
#include "echoload/load/config.h"
#include "screen.h"

// What limited the run: one word, and a line of text for each piece of evidence.
struct closing_verdict {
	const char *name;
	const char *const *evidence;
	size_t evidence_count;
	bool interrupted; // the run ended before its time, by a signal
};

void closing_print(struct screen *screen, const struct load_config *config,
		   const struct facts *facts, const struct closing_verdict *verdict);

#endif
