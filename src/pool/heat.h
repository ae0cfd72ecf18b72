// Whether polling before blocking pays, learned from what it lately found: it is tried while the
// heat is above 0, so a server that is idle, or whose clients take their time, does not poll.
#ifndef ECHOD_POOL_HEAT_H
#define ECHOD_POOL_HEAT_H

#define HEAT_MAX 64
#define HEAT_OF_HIT 1  // polling found something
#define HEAT_OF_SOON 2 // blocking did, so soon that polling would have
#define HEAT_OF_MISS (-8)

static inline void heat_change(int *heat, int by)
{
	*heat += by;
	if (*heat > HEAT_MAX)
		*heat = HEAT_MAX;
	if (*heat < 0)
		*heat = 0;
}

#endif
