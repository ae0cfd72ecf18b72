// A snapshot as text, JSON and Prometheus exposition. Any thread.
#ifndef ECHOD_STATS_RENDER_H
#define ECHOD_STATS_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "stats/rates.h"

// Aligned lines of at most 80 columns, for people.
void render_text(FILE *out, const struct snapshot *snapshot, const struct rates *rates);

// One object; NULL when memory is short. The caller owns the reference.
json_t *render_json(const struct snapshot *snapshot, const struct rates *rates);

// The Prometheus text format 0.0.4, or OpenMetrics 1.0; docs/counters.md has the rule for the
// names. Unknown values are left out.
void render_prometheus(FILE *out, const struct snapshot *snapshot, bool openmetrics);

#endif
