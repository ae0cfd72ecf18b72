// Sizes of messages: one, a range, or a list with weights. Any thread; drawing is deterministic.
#ifndef ECHOLOAD_SIZES_H
#define ECHOLOAD_SIZES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echoload/common/random.h"

#define SIZES_PARTS 16

struct sizes_part {
	uint64_t least, most; // bytes; every size between is as likely as any other
	double below;	      // of all draws, the share that falls into this part or one before it
};

struct sizes {
	struct sizes_part parts[SIZES_PARTS];
	size_t count;
	uint64_t most; // of all
	double mean;   // expected
};

// `64`, `64..1k`, `64:9,16k:1`, `1..100:3,64k`: sizes as units_parse_size takes them, at least 1
// byte and at most 1 GiB; a weight is a positive number, 1 if left out.
int sizes_parse(const char *text, struct sizes *sizes, struct error *error);

uint64_t sizes_draw(const struct sizes *sizes, struct random *random);

#endif
