#include "stats/memory.h"

#include <stddef.h>

#include "stats/stats.h"

// jemalloc(3). The symbol is weak: libechod uses jemalloc if the process has it, and does not
// require it.
extern int mallctl(const char *name, void *old_value, size_t *old_size, void *new_value,
		   size_t new_size) __attribute__((weak));

static uint64_t read_bytes(const char *name)
{
	size_t value = 0;
	size_t size = sizeof(value);
	return mallctl(name, &value, &size, NULL, 0) == 0 ? value : STATS_UNKNOWN;
}

struct memory_use memory_use(void)
{
	if (!mallctl)
		return (struct memory_use){STATS_UNKNOWN, STATS_UNKNOWN};
	uint64_t epoch = 1; // writing it makes jemalloc refresh what it reports
	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	return (struct memory_use){
		.allocated = read_bytes("stats.allocated"),
		.resident = read_bytes("stats.resident"),
	};
}
