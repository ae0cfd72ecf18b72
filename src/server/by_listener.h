// The counters of each listener. They have the label under which the listener was configured, so a
// restart goes on with the same names; port 0 stays 0. Listeners with the same label, such as the
// addresses of a host name, have one set of counters.
#ifndef ECHOD_SERVER_BY_LISTENER_H
#define ECHOD_SERVER_BY_LISTENER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/conn.h"
#include "stats/stats.h"

#define LISTENER_LABEL_SIZE 300 // a host name with its port; a long path of odd bytes is cut

struct listener_stats {
	char label[LISTENER_LABEL_SIZE];
	_Atomic uint64_t value[LISTENER_COUNT]; // bytes: of connections that have ended
	_Atomic uint64_t shown[LISTENER_COUNT]; // the most that a snapshot has shown
};

struct by_listener {
	struct listener_stats stats[STATS_MAX_LISTENERS];
	size_t count;					// of labels
	struct listener_stats *of[STATS_MAX_LISTENERS]; // of the server's listeners, by index
};

// Gives the server's listener `index` this label. Bytes of `label` outside printable ASCII become
// \xNN. The thread that starts the server.
void by_listener_label(struct by_listener *listeners, size_t index, const char *label);

// Any thread. Nothing on the path of a message calls it.
static inline void by_listener_add(struct by_listener *listeners, unsigned index,
				   enum listener_metric metric, uint64_t amount)
{
	atomic_fetch_add(&listeners->of[index]->value[metric], amount);
}

// Fills in the listeners of `snapshot`. Reads all open connections, in pieces, for the bytes that
// they have moved so far. A connection that ends meanwhile may be missed, and is never counted
// twice. So a value is never too high, and it never goes down. Any thread.
void by_listener_sum(struct by_listener *listeners, struct conn_table *conns,
		     struct snapshot *snapshot);

#endif
