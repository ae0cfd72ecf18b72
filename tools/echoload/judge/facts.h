// What a run has shown, as the checks (expect.h) and people (screen.h) want to know it. Main
// thread.
#ifndef ECHOLOAD_FACTS_H
#define ECHOLOAD_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echoload/common/hdr.h"
#include "echoload/load/errors.h"
#include "echoload/verify/verify.h"

struct facts {
	// None of these is NULL. What was not measured has no samples: the last two in the closed
	// loop.
	const struct hdr *latency;
	const struct hdr *uncorrected;
	const struct hdr *lateness;
	uint64_t lasted; // ns of recording
	uint64_t messages;
	uint64_t due;	     // open loop: that fell due
	unsigned live;	     // connections open at the end
	uint64_t unanswered; // given up; in `latency` with the time until then
	uint64_t visits;     // that ended as they should (churn, half-close)
	uint64_t bytes;	     // that came back
	uint64_t bytes_verified;
	bool verified; // false: --no-verify, so there are neither faults nor bytes verified
	const struct load_errors *errors;
	const struct fault *faults; // the first ones,
	size_t faults_kept;	    // so many,
	uint64_t fault_count;	    // of so many
};

// A second; 0 if it took no time.
static inline double facts_rate_of(const struct facts *facts, uint64_t count)
{
	return facts->lasted ? 1e9 * (double)count / (double)facts->lasted : 0;
}

#endif
