// Time: the monotonic clock in nanoseconds, absolute deadlines, and waiting times rounded up so
// that no deadline becomes a busy loop. Any thread.
#ifndef ECHOD_BASE_CLOCK_H
#define ECHOD_BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

// A duration without end, or a deadline that never comes.
#define CLOCK_NEVER UINT64_MAX

// CLOCK_MONOTONIC, in nanoseconds.
uint64_t clock_now(void);

// CLOCK_REALTIME: since 1970, in nanoseconds. It may jump.
uint64_t clock_wall(void);

// The CPU time that all threads of this process have used, in nanoseconds.
uint64_t clock_cpu(void);

// In seconds, for output.
static inline double clock_seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

// The time `duration` ns from now; CLOCK_NEVER stays CLOCK_NEVER.
uint64_t clock_deadline(uint64_t duration);

// The time left until `deadline` as a time-out of poll(2): milliseconds rounded up, 0 when it has
// passed, -1 for CLOCK_NEVER.
int clock_poll_timeout(uint64_t deadline);

static inline struct timespec clock_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S)};
}

// `duration` as SO_RCVTIMEO takes it: microseconds rounded up, {0, 0} (no time-out) for
// CLOCK_NEVER.
struct timeval clock_timeval(uint64_t duration);

#endif
