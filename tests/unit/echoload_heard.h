// The faults that the verifier of echoload reports, collected.
#ifndef ECHOD_ECHOLOAD_HEARD_H
#define ECHOD_ECHOLOAD_HEARD_H

#include "echoload/verify/verify.h"

#define HEARD_CONNECTIONS 3
#define HEARD_FAULTS 80 // kept; more are counted

struct heard {
	struct payload payload;
	struct verify_scope scope;
	uint64_t sent[HEARD_CONNECTIONS];
	unsigned count;
	struct fault fault[HEARD_FAULTS];
};

// Makes a run of HEARD_CONNECTIONS, whose verify_scope reports to `heard`. `sent`: on each of them.
void heard_init(struct heard *heard, uint64_t sent);

void heard_set_sent(struct heard *heard, uint64_t sent);

bool heard_same(const struct fault *a, const struct fault *b);

// Fails the test, after printing both, when these are not the faults heard; the order they were
// reported in does not matter, `expected` is in that of their offsets.
void heard_assert(const struct heard *heard, const struct fault *expected, unsigned count);

#endif
