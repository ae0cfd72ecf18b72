// What the server's ledger says of the connections of a run. Of those that failed: which bytes were
// lost on which way, and whether an end was translated. Of the faults that the server has injected:
// as what each was seen. Main thread.
#ifndef ECHOLOAD_LEDGER_H
#define ECHOLOAD_LEDGER_H

#include <jansson.h>
#include <stdbool.h>

#include "echoload/load/engine.h"

#define LEDGER_SHOWN 10 // connections that failed, in the report
#define LEDGER_LINE 320

// Whether the server behind --control has --faulty addresses.
bool ledger_is_faulty(const struct load_config *config);

// If the server is faulty, or the run has errors, asks it for its ledger and compares that with
// what the connections have seen: by addresses, or through a proxy by the first bytes, if these are
// verified. Waits up to half a second for the server to notice that they are over. Returns `ledger`
// of docs/measuring.md, whose lines `says` are for the report; NULL: nothing to say, or no memory.
json_t *ledger_join(const struct engine_result *result, bool is_faulty);

// The parts of it: what a row of the ledger says of a connection; and the same for these rows, a
// JSON array. `open`: how many are still open at the server, so that it is unknown what was
// injected.
void ledger_explain(const struct ending *ending, const json_t *row, char line[static LEDGER_LINE]);
json_t *ledger_compare(const struct load_config *config, const struct endings *endings,
		       const json_t *rows, bool is_faulty, size_t *open);

#endif
