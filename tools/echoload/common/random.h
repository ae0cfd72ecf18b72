// Pseudo-random numbers (splitmix64): the same seed gives the same run. One thread each.
#ifndef ECHOLOAD_RANDOM_H
#define ECHOLOAD_RANDOM_H

#include <math.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

// From 0 up to, not including, 1.
static inline double random_share(struct random *random)
{
	return (double)(random_next(random) >> 11) * 0x1p-53;
}

// Exponentially distributed with this mean: the gaps of a Poisson process.
static inline double random_exponential(struct random *random, double mean)
{
	return -mean * log1p(-random_share(random));
}

#endif
