#include "later.h"

#include <time.h>

#include "base/clock.h"
#include "test.h"

_Atomic uint64_t later;

WRAP(int, clock_gettime, (clockid_t id, struct timespec *time)) {
	int result = __real_clock_gettime(id, time);
	uint64_t ns = (uint64_t)time->tv_nsec + later;
	time->tv_sec += (time_t)(ns / NS_PER_S);
	time->tv_nsec = (long)(ns % NS_PER_S);
	return result;
}
