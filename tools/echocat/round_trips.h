// Round-trip times of many messages, with a summary as in ping(8). Main thread only.
#ifndef ECHOCAT_ROUND_TRIPS_H
#define ECHOCAT_ROUND_TRIPS_H

#include <stdint.h>
#include <stdio.h>

struct round_trips {
	uint64_t sent;
	uint64_t received; // came back whole, right or wrong
	uint64_t mismatches;
	uint64_t minimum; // ns
	uint64_t maximum;
	double mean;
	double squares; // sum of the squared distances from the mean (Welford's method)
};

// Counts a message that came back after `ns`.
void round_trips_add(struct round_trips *trips, uint64_t ns);

double round_trips_deviation(const struct round_trips *trips);

void round_trips_print(const struct round_trips *trips, const char *peer, FILE *file);

#endif
