// What the server's ledger says of the connections that failed here: which bytes were lost on which
// way, and whether an end was translated. Main thread.
#ifndef ECHOLOAD_LEDGER_H
#define ECHOLOAD_LEDGER_H

#include <jansson.h>
#include <stddef.h>

#include "echoload/load/counters.h"

#define LEDGER_SHOWN 10
#define LEDGER_LINE 320

struct ledger_report {
	size_t count; // 0: there is nothing to say
	char line[LEDGER_SHOWN + 2][LEDGER_LINE];
};

// Asks the server behind --control, if it is given and a connection failed, and joins its ledger
// with `counters`: by addresses, or through a proxy by the first bytes, if these are verified.
void ledger_join(struct ledger_report *report, const struct load_config *config,
		 const struct counters *counters);

// The parts of it: what a row says of a loss; the row of a loss, NULL: none is its own. `rows`: the
// ledger, a JSON array.
void ledger_explain(const struct loss *loss, const json_t *row, char line[static LEDGER_LINE]);
const json_t *ledger_find(const struct loss *loss, const struct load_config *config,
			  const json_t *rows);

#endif
