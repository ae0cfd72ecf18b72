#include "laws.h"

#include <signal.h>

#include "stats.h"

// Of `--faulty`: bytes that are sent twice at a time.
#define REPEATED 16

// Each says itself when it does not hold.
#define LAW(holds)                     \
	do {                           \
		if (!(holds))          \
			return #holds; \
	} while (0)

#define OF(name) stats_get(snapshot, #name)

static uint64_t closed_in(json_t *snapshot) {
	const char *name;
	json_t *value;
	uint64_t closed = 0;
	json_object_foreach(snapshot, name, value) if (strncmp(name, "connections_closed_", 19) ==
						       0) closed += stats_get(snapshot, name);
	return closed;
}

static const char *broken_in(json_t *snapshot) {
	const uint64_t accepted = OF(connections_accepted), closed = closed_in(snapshot);
	const uint64_t parks = OF(parks_reading) + OF(parks_writing);
	const uint64_t repeated = REPEATED * OF(faults_injected_repeat);
	LAW(accepted == OF(connections_open) + closed);
	LAW(OF(connections_open) ==
	    OF(connections_queued) + OF(connections_serving) + OF(connections_parked));
	LAW(OF(connections_taken) >= closed + parks + OF(quantum_expiries));
	LAW(OF(unparks) <= parks);
	LAW(OF(workers) == OF(workers_busy) + OF(workers_idle));
	LAW(OF(workers_busy) == OF(connections_serving));
	LAW(OF(connections_silent) <= accepted);
	LAW(OF(connections_closed_probe) <= OF(connections_silent));
	LAW(OF(bytes_sent) <= OF(bytes_received) + repeated);
	if (accepted == OF(connections_closed_peer) + OF(connections_closed_probe) +
				OF(connections_closed_reset_ok))
		LAW(OF(bytes_sent) == OF(bytes_received));
	LAW(OF(unsent_bytes) <= OF(unsent_bytes_max));
	LAW(OF(queue_depth) <= OF(queue_depth_max));
	LAW(OF(control_errors) <= OF(control_requests));
	LAW(OF(http_errors) <= OF(http_requests));
	LAW(OF(draining) + OF(ready) <= 1);
	return NULL;
}

// Whether a number is smaller than it was.
static bool falls(const json_t *before, const json_t *now, const char *name) {
	return json_number_value(json_object_get(now, name)) <
	       json_number_value(json_object_get(before, name));
}

// The name of a value that only goes up, and has not; of a histogram, of a value of a listener.
static const char *falling(json_t *before, json_t *now) {
	static const char *const others[] = {"unsent_bytes_max", "queue_depth_max", "draining",
					     "uptime_seconds"};
	const char *name;
	json_t *value;
	json_object_foreach(json_object_get(now, "rates"), name,
			    value) if (falls(before, now, name)) return name;
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (falls(before, now, others[i]))
			return others[i];
	json_object_foreach(now, name, value) {
		const json_t *old = json_object_get(before, name);
		if (json_object_get(value, "p50") &&
		    (falls(old, value, "count") || falls(old, value, "sum") ||
		     falls(old, value, "max")))
			return name;
	}
	return NULL;
}

static const char *falling_in_listener(const json_t *before, json_t *now) {
	const char *name;
	json_t *value;
	json_object_foreach(now, name, value) if (strcmp(name, "connections_open") != 0 &&
						  falls(before, now, name)) return name;
	return NULL;
}

// A snapshot reads the listeners last: what they had in the one before, the server has in this.
static const char *broken_since(json_t *before, json_t *now) {
	const uint64_t repeated = REPEATED * stats_get(now, "faults_injected_repeat");
	const char *name = falling(before, now);
	size_t index;
	uint64_t listeners_accepted = 0, listeners_closed = 0;
	json_t *snapshot;
	json_array_foreach(json_object_get(before, "listeners"), index, snapshot) {
		const json_t *listeners = json_object_get(now, "listeners");
		name = name ? name
			    : falling_in_listener(snapshot, json_array_get(listeners, index));
		LAW(OF(connections_accepted) == OF(connections_open) + OF(connections_closed));
		LAW(OF(bytes_sent) <= OF(bytes_received) + repeated);
		listeners_accepted += OF(connections_accepted);
		listeners_closed += OF(connections_closed);
	}
	LAW(listeners_accepted <= stats_get(now, "connections_accepted"));
	LAW(listeners_closed <= closed_in(now));
	LAW(stats_number(now, "start_time_seconds") == stats_number(before, "start_time_seconds"));
	return name;
}

const char *laws_broken(json_t *before, json_t *now) {
	const char *broken = broken_in(now);
	return broken || !before ? broken : broken_since(before, now);
}

struct process *laws_watch(const struct daemon *daemon) {
	struct process *watcher = process_start_simple(LAW_WATCHER_PROGRAM, daemon->control);
	assert_true(process_starts(watcher));
	return watcher;
}

size_t laws_expect(struct process *watcher, size_t least) {
	if (process_is_running(watcher))
		process_signal(watcher, SIGTERM);
	int status = process_wait(watcher);
	const char *said = process_output(watcher, NULL);
	size_t snapshots = 0;
	if (status != 0 || sscanf(said, "watching\n%zu", &snapshots) != 1 || snapshots < least)
		fail_msg("the laws: status %d, %zu snapshots: %s", status, snapshots,
			 process_errors(watcher, NULL));
	print_message("laws: %s", strchr(said, '\n') + 1);
	return snapshots;
}
