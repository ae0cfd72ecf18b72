#include "base/clock.h"

#include <limits.h>

#include "base/assert.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;
	int failed = clock_gettime(id, &now);
	ensure(!failed);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_cpu(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_deadline(uint64_t duration)
{
	uint64_t now = clock_now();
	return duration >= CLOCK_NEVER - now ? CLOCK_NEVER : now + duration;
}

int clock_poll_timeout(uint64_t deadline)
{
	if (deadline == CLOCK_NEVER)
		return -1;
	uint64_t now = clock_now();
	if (deadline <= now)
		return 0;
	uint64_t left = (deadline - now - 1) / NS_PER_MS + 1;
	return left > INT_MAX ? INT_MAX : (int)left;
}

struct timeval clock_timeval(uint64_t duration)
{
	if (duration == CLOCK_NEVER)
		return (struct timeval){0};
	uint64_t us = duration / NS_PER_US + (duration % NS_PER_US != 0);
	if (us == 0)
		us = 1; // {0, 0} would mean no time-out at all
	return (struct timeval){
		.tv_sec = (time_t)(us / 1000000),
		.tv_usec = (suseconds_t)(us % 1000000),
	};
}
