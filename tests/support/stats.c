#include "stats.h"

#include "ctl.h"
#include "laws.h"

// No test of ours moves as much; a counter that went below zero does.
#define ABSURD (UINT64_C(1) << 50)

// The server may have closed the connection kept for this: it was silent for long, or others came.
static void renew_connection(struct daemon *daemon) {
	struct pollfd end = {.fd = daemon->control_fd, .events = POLLIN};
	if (daemon->control_fd >= 0 && poll(&end, 1, 0) == 0)
		return;
	if (daemon->control_fd >= 0)
		close(daemon->control_fd);
	daemon->control_fd = ctl_connect(daemon->control);
}

json_t *stats_ask(struct daemon *daemon, const char *command) {
	renew_connection(daemon);
	char *body;
	assert_int_equal(ctl_ask(daemon->control_fd, command, &body), 200);
	json_t *reply = json_from(body);
	free(body);
	assert_int_equal(stats_get(reply, "schema"), 1);
	return reply;
}

json_t *stats_take(struct daemon *daemon) { return stats_ask(daemon, "stats json"); }

static const json_t *member(const json_t *object, const char *name) {
	const json_t *value = json_object_get(object, name);
	if (!value)
		fail_msg("no %s in the reply", name);
	return value;
}

uint64_t stats_get(const json_t *snapshot, const char *name) {
	const json_t *value = member(snapshot, name);
	if (json_is_null(value)) // unknown
		return 0;
	assert_true(json_is_integer(value));
	json_int_t number = json_integer_value(value);
	if (number < 0 || (uint64_t)number > ABSURD)
		fail_msg("%s is %lld", name, (long long)number);
	return (uint64_t)number;
}

double stats_number(const json_t *snapshot, const char *name) {
	const json_t *value = member(snapshot, name);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

double stats_part(const json_t *snapshot, const char *name, const char *part) {
	return stats_number(member(snapshot, name), part);
}

uint64_t stats_counter(struct daemon *daemon, const char *name) {
	return stats_get(stats_take(daemon), name);
}

static void wait_for(struct daemon *daemon, const char *name, uint64_t least, uint64_t most) {
	uint64_t value;
	wait_or_fail((value = stats_counter(daemon, name)) >= least && value <= most,
		     "%s is %ju, never %ju", name, (uintmax_t)value, (uintmax_t)least);
}

size_t stats_count_in_state(struct daemon *daemon, const char *list, const char *state) {
	const json_t *reply = stats_ask(daemon, test_text("%s json", list)), *each;
	size_t index, count = 0;
	json_array_foreach(json_object_get(reply, list), index, each) count +=
		strcmp(json_string_value(json_object_get(each, "state")), state) == 0;
	return count;
}

void stats_wait(struct daemon *daemon, const char *name, uint64_t value) {
	wait_for(daemon, name, value, value);
}

void stats_wait_at_least(struct daemon *daemon, const char *name, uint64_t value) {
	wait_for(daemon, name, value, UINT64_MAX);
}

void stats_assert_laws(struct daemon *daemon) {
	json_t *snapshot = stats_take(daemon);
	const char *broken = laws_broken(NULL, snapshot);
	if (broken)
		fail_msg("broken: %s: %s", broken, json_dumps(snapshot, JSON_COMPACT));

	const char *name;
	json_t *value;
	json_object_foreach(snapshot, name, value) if (json_is_integer(value))
		stats_get(snapshot, name);
}

// Whether the listeners together have the value that the server has.
static bool listeners_add_up(const json_t *snapshot, const char *name) {
	size_t index;
	const json_t *each;
	uint64_t sum = 0;
	json_array_foreach(member(snapshot, "listeners"), index, each) sum += stats_get(each, name);
	return sum == stats_get(snapshot, name);
}

static bool is_at_rest(const json_t *snapshot) {
	uint64_t unparks = stats_get(snapshot, "unparks");
	uint64_t parks =
		stats_get(snapshot, "parks_reading") + stats_get(snapshot, "parks_writing");
	uint64_t queued = stats_get(snapshot, "connections_accepted") + unparks +
			  stats_get(snapshot, "quantum_expiries");
	return stats_get(snapshot, "connections_open") == 0 && parks == unparks &&
	       listeners_add_up(snapshot, "connections_open") &&
	       listeners_add_up(snapshot, "connections_accepted") &&
	       listeners_add_up(snapshot, "bytes_received") &&
	       listeners_add_up(snapshot, "bytes_sent") &&
	       stats_get(snapshot, "connections_taken") == queued &&
	       stats_get(snapshot, "unsent_bytes") == 0 && stats_get(snapshot, "queue_depth") == 0;
}

void stats_wait_at_rest(struct daemon *daemon) {
	json_t *snapshot;
	wait_or_fail(is_at_rest(snapshot = stats_take(daemon)), "not at rest: %s",
		     json_dumps(snapshot, JSON_COMPACT));
	stats_assert_laws(daemon);
}
