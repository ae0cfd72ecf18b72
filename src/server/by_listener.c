#include "server/by_listener.h"

#include <string.h>

#include "base/log.h"

#define CHUNK 64 // connections copied under one lock of their table

void by_listener_label(struct by_listener *listeners, size_t index, const char *label)
{
	struct listener_stats *stats = listeners->stats;
	char printable[LISTENER_LABEL_SIZE];
	log_escape(label, strlen(label), printable, sizeof(printable));
	while (stats < &listeners->stats[listeners->count] && strcmp(stats->label, printable) != 0)
		stats++;
	if (stats == &listeners->stats[listeners->count]) {
		strcpy(stats->label, printable);
		listeners->count++;
	}
	listeners->of[index] = stats;
}

static void add_open(const struct by_listener *listeners, struct conn_table *conns,
		     struct snapshot *snapshot)
{
	struct conn_info infos[CHUNK];
	size_t slot = 0;
	size_t before;
	do {
		before = slot;
		size_t count = conn_table_copy(conns, &slot, infos, CHUNK);
		for (size_t i = 0; i < count; i++) {
			const struct conn_info *info = &infos[i];
			ptrdiff_t which = listeners->of[info->origin.listener] - listeners->stats;
			uint64_t *value = snapshot->listener[which].value;
			value[LISTENER_bytes_received] += info->bytes_received;
			value[LISTENER_bytes_sent] += info->bytes_sent;
		}
	} while (slot != before);
}

// The highest value so far.
static uint64_t show(_Atomic uint64_t *shown, uint64_t value)
{
	uint64_t most = atomic_load(shown);
	while (most < value && !atomic_compare_exchange_weak(shown, &most, value))
		;
	return most < value ? value : most;
}

// What has ended comes first: a connection that a worker adds to it is no longer in the table. The
// metrics are read from effect to cause, as all counters are.
void by_listener_sum(struct by_listener *listeners, struct conn_table *conns,
		     struct snapshot *snapshot)
{
	snapshot->listener_count = listeners->count;
	for (size_t i = 0; i < listeners->count; i++) {
		struct listener_sum *sum = &snapshot->listener[i];
		sum->label = listeners->stats[i].label;
		for (int m = LISTENER_COUNT; m-- > 0;)
			sum->value[m] = atomic_load(&listeners->stats[i].value[m]);
		sum->value[LISTENER_connections_open] = sum->value[LISTENER_connections_accepted] -
							sum->value[LISTENER_connections_closed];
	}
	add_open(listeners, conns, snapshot);
	for (size_t i = 0; i < listeners->count; i++) {
		uint64_t *value = snapshot->listener[i].value;
		for (int m = LISTENER_bytes_received; m <= LISTENER_bytes_sent; m++)
			value[m] = show(&listeners->stats[i].shown[m], value[m]);
	}
}
