// The ranges of a stream that have not come though what follows them has: each is lost, or late.
// One thread for each struct missing.
#ifndef ECHOLOAD_MISSING_H
#define ECHOLOAD_MISSING_H

#include <stdbool.h>
#include <stdint.h>

#define MISSING_RANGES 64

struct missing_range {
	uint64_t from;
	uint64_t to;
	uint64_t slack; // by so many bytes it could as well begin and end later
};

struct missing {
	unsigned count;
	struct missing_range
		range[MISSING_RANGES + 2]; // by place; room for one to add or to cut in two
};

// Adds a range that lies behind all others. There may then be one too many: missing_drop.
void missing_add(struct missing *missing, uint64_t from, uint64_t to, uint64_t slack);

// Late bytes begin at `start`, or by up to `slack` bytes before it. When that can be the beginning
// of a missing range, settles where that begins, stores it and returns true.
bool missing_align(struct missing *missing, uint64_t *start, uint64_t slack);

// Takes out of the ranges what [from, to) begins with: the part up to the value returned was
// missing, if `late` is set, or was not.
uint64_t missing_take(struct missing *missing, uint64_t from, uint64_t to, bool *late);

// Removes the first range when it must be given up: it lies before `horizon`, or there are too
// many.
bool missing_drop(struct missing *missing, uint64_t horizon, struct missing_range *dropped);

#endif
