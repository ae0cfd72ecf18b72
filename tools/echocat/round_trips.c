#include "round_trips.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"

void round_trips_add(struct round_trips *trips, uint64_t ns)
{
	if (trips->received == 0 || ns < trips->minimum)
		trips->minimum = ns;
	if (ns > trips->maximum)
		trips->maximum = ns;
	trips->received++;
	double distance = (double)ns - trips->mean;
	trips->mean += distance / (double)trips->received;
	trips->squares += distance * ((double)ns - trips->mean);
}

double round_trips_deviation(const struct round_trips *trips)
{
	return trips->received ? sqrt(trips->squares / (double)trips->received) : 0.0;
}

void round_trips_print(const struct round_trips *trips, const char *peer, FILE *file)
{
	fprintf(file, "--- %s echo statistics ---\n", peer);
	fprintf(file, "%" PRIu64 " messages sent, %" PRIu64 " received, %" PRIu64 " mismatches\n",
		trips->sent, trips->received, trips->mismatches);
	if (trips->received == 0)
		return;
	double us = (double)NS_PER_US;
	fprintf(file, "round trip min/avg/max/stddev = %.1f/%.1f/%.1f/%.1f us\n",
		(double)trips->minimum / us, trips->mean / us, (double)trips->maximum / us,
		round_trips_deviation(trips) / us);
}
