#include "stats/rates.h"

#include <string.h>

#include "base/clock.h"

// A sample counts as a second old a little early, because the timer that takes samples is not
// exact.
#define TOLERANCE (50 * NS_PER_MS)

const unsigned rate_spans[RATE_SPANS] = {1, 10, 60};

void rates_sample(struct rates *rates, const struct snapshot *snapshot)
{
	struct rate_sample *sample = &rates->sample[rates->count++ % RATES_HISTORY];
	sample->taken = snapshot->taken;
	memcpy(sample->counter, snapshot->counter, sizeof(sample->counter));
}

// The newest sample that is at least `age` older than `now`, or the oldest one.
static const struct rate_sample *find_sample(const struct rates *rates, uint64_t now, uint64_t age)
{
	size_t kept = rates->count < RATES_HISTORY ? rates->count : RATES_HISTORY;
	const struct rate_sample *sample = NULL;
	for (size_t back = 1; back <= kept; back++) {
		sample = &rates->sample[(rates->count - back) % RATES_HISTORY];
		if (now - sample->taken + TOLERANCE >= age)
			break;
	}
	return sample;
}

double rates_per_second(const struct rates *rates, const struct snapshot *now, enum counter counter,
			unsigned seconds)
{
	const struct rate_sample *then = find_sample(rates, now->taken, seconds * NS_PER_S);
	if (!then || now->taken <= then->taken)
		return 0.0;
	double grown = (double)(now->counter[counter] - then->counter[counter]);
	return grown * (double)NS_PER_S / (double)(now->taken - then->taken);
}
