// The missing ranges of one stream, in order of their places. One thread each.
#include "missing.h"

#include <string.h>

#include "base/assert.h"

static void remove_at(struct missing *missing, unsigned i)
{
	missing->count--;
	memmove(&missing->range[i], &missing->range[i + 1],
		(missing->count - i) * sizeof(missing->range[0]));
}

static void insert_at(struct missing *missing, unsigned i, struct missing_range range)
{
	ensure(missing->count < MISSING_RANGES + 2);
	memmove(&missing->range[i + 1], &missing->range[i],
		(missing->count - i) * sizeof(missing->range[0]));
	missing->range[i] = range;
	missing->count++;
}

void missing_add(struct missing *missing, uint64_t from, uint64_t to, uint64_t slack)
{
	insert_at(missing, missing->count, (struct missing_range){from, to, slack});
}

bool missing_align(struct missing *missing, uint64_t *start, uint64_t slack)
{
	for (unsigned i = 0; i < missing->count; i++) {
		struct missing_range *range = &missing->range[i];
		uint64_t at = *start - slack > range->from ? *start - slack : range->from;
		if (at > *start || at > range->from + range->slack)
			continue;
		range->to += at - range->from;
		range->from = at;
		range->slack = 0;
		*start = at;
		return true;
	}
	return false;
}

uint64_t missing_take(struct missing *missing, uint64_t from, uint64_t to, bool *late)
{
	unsigned i = 0;
	while (i < missing->count && missing->range[i].to <= from)
		i++;
	*late = i < missing->count && missing->range[i].from <= from;
	if (!*late)
		return i < missing->count && missing->range[i].from < to ? missing->range[i].from
									 : to;

	struct missing_range range = missing->range[i];
	uint64_t end = to < range.to ? to : range.to;
	remove_at(missing, i);
	if (end < range.to)
		insert_at(missing, i, (struct missing_range){end, range.to, 0});
	if (range.from < from)
		insert_at(missing, i, (struct missing_range){range.from, from, 0});
	return end;
}

bool missing_drop(struct missing *missing, uint64_t horizon, struct missing_range *dropped)
{
	if (missing->count == 0)
		return false;
	*dropped = missing->range[0];
	if (missing->count <= MISSING_RANGES && dropped->to > horizon)
		return false;
	remove_at(missing, 0);
	return true;
}
