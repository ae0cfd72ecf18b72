// Checks of a run for scripts: `p99.9<5ms`, `errors==0`, `rate>50k`. Main thread.
#ifndef ECHOLOAD_EXPECT_H
#define ECHOLOAD_EXPECT_H

#include <stdbool.h>

#include "base/error.h"
#include "echoload/load/engine.h"

#define EXPECT_LINE 200 // bytes that the line of any miss fits into

enum expect_subject {
	EXPECT_LATENCY,
	EXPECT_UNCORRECTED,
	EXPECT_LATENESS,
	EXPECT_RATE,
	EXPECT_BYTES_PER_SECOND,
	EXPECT_MESSAGES,
	EXPECT_ERRORS,
	EXPECT_UNANSWERED,
	EXPECT_FAULTS,
	EXPECT_BYTES_VERIFIED,
	EXPECT_SUBJECTS,
};
// The subjects, as bits, that are about speed.
#define EXPECT_OF_SPEED ((1U << EXPECT_MESSAGES) - 1)

enum expect_relation { EXPECT_LESS, EXPECT_AT_MOST, EXPECT_EQUAL, EXPECT_AT_LEAST, EXPECT_MORE };

#define EXPECT_MEAN (-1.0)

struct expect {
	const char *text; // as it was written
	enum expect_subject subject;
	double percent; // of the first three subjects; 0: the minimum; or EXPECT_MEAN
	enum expect_relation relation;
	double limit; // in ns, messages or bytes (a second)
};

// A name, one of < <= == >= >, and a value in the unit of the name:
// - `p50`, `p99.9`, …, `min`, `mean`, `max` of the latency, with `uncorrected.` before it of the
//   uncorrected one, with `lateness.` of the generator's lateness: a duration
// - `rate`: messages a second, as units_parse_rate takes it
// - `bytes_per_second`, `bytes_verified`: a size
// - `messages`, `errors`, `unanswered`, `faults`: a whole number
// `text` must live as long as `expect`.
int expect_parse(const char *text, struct expect *expect, struct echod_error *error);

// Whether it holds. If not, `line` says what was expected and measured, or why nothing was
// measured: then a check always fails. A percentile that no sample lies beyond is not measured
// (hdr_samples_for).
bool expect_judge(const struct expect *expect, const struct engine_result *result,
		  char line[static EXPECT_LINE]);

// Why it can never hold: its subject is not measured in a closed loop, or without verification.
// NULL: it may hold.
const char *expect_never(const struct expect *expect, bool open, bool verify);

#endif
