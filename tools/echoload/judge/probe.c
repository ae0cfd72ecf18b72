// Connects beside the load. Thread of the far end.
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "echoload/load/usage.h"
#include "net/connect.h"

#define EVERY (150 * NS_PER_MS)
#define PATIENCE NS_PER_S
#define FEW 3

void probe_init(struct probe *probe, const struct load_config *config)
{
	*probe = (struct probe){.config = config, .fd = -1};
}

// Looks at the connect on its way. Returns whether it is over.
static bool is_over(struct probe *probe, uint64_t now)
{
	struct pollfd connect = {.fd = probe->fd, .events = POLLOUT};
	bool late = poll(&connect, 1, 0) <= 0;
	if (late && now - probe->since <= PATIENCE)
		return false;
	struct usage_tcp usage = {0};
	probe->failure = late ? CONNECT_LATE : connect_result(probe->fd);
	if (probe->failure == 0)
		usage_note_connect(&usage, probe->fd);
	if (usage.least_round_trip > 0)
		probe->round_trip[probe->count++] = usage.least_round_trip;
	return true;
}

void probe_step(struct probe *probe, uint64_t now)
{
	if (probe->fd >= 0 && is_over(probe, now))
		probe_end(probe);
	if (probe->fd >= 0 || probe->begun == PROBE_MOST || now < probe->next)
		return;
	const struct load_config *config = probe->config;
	probe->fd =
		connect_begin(&config->targets[0], config->source_count ? config->sources : NULL);
	if (probe->fd < 0)
		probe->failure = errno;
	probe->since = now;
	probe->next = now + EVERY;
	probe->begun++;
}

void probe_end(struct probe *probe)
{
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = -1;
}

static int compare(const void *one, const void *other)
{
	uint64_t a, b;
	memcpy(&a, one, sizeof(a));
	memcpy(&b, other, sizeof(b));
	return (a > b) - (a < b);
}

double probe_median(const struct probe *probe)
{
	uint64_t sorted[PROBE_MOST];
	if (probe->count < FEW)
		return 0;
	memcpy(sorted, probe->round_trip, sizeof(sorted));
	qsort(sorted, probe->count, sizeof(sorted[0]), compare);
	unsigned middle = probe->count / 2;
	return (double)sorted[middle] * 1e3;
}
