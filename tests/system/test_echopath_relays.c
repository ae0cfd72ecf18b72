// Scenario: echopath tries relays of the tests' own. Through the sound one all rows are kept that a
// relay in user space can keep. Each broken one turns exactly its rows.
#include "base/cmdline.h"
#include "expect.h"
#include "peer.h"
#include "place.h"
#include "process.h"

#define HELD_MS 40

static const struct broken {
	const char *name;
	const char *rows[5]; // each with its result
} relays[] = {
#define BROKEN(constant, name, ...) {name, {__VA_ARGS__}},
#include "broken_relay.def"
};

// What no relay in user space can keep: it accepts before it knows, and has a port of its own.
static const char *const usual[] = {"server/refused changed", "address/source changed",
				    "delay/write-write-read info", "delay/round-trip info"};

struct run {
	struct process *relay, *path;
};

static const char *host_of(size_t i, bool backend) {
	return test_text("127.0.%d.%zu", backend ? 2 : 1, i + 1);
}

static struct run start(size_t i, unsigned port) {
	const char *near = test_text("%s:%u", host_of(i, false), port);
	const char *far = test_text("%s:%u", host_of(i, true), port);
	struct run run = {
		.relay = process_start_simple(BROKEN_RELAY_PROGRAM, relays[i].name, near, far)};
	assert_true(process_starts(run.relay));
	run.path = process_start_simple(ECHOPATH_PROGRAM, "--via", near, "--backend", far,
					"--quick", "--skip-direct", "--repeat", "1", "--timeout",
					"2s", "--json", place_path(relays[i].name));
	return run;
}

static const char *find(const char *const *rows, size_t count, const char *id) {
	for (size_t i = 0; i < count && rows[i]; i++)
		if (strncmp(rows[i], id, strlen(id)) == 0 && rows[i][strlen(id)] == ' ')
			return rows[i] + strlen(id) + 1;
	return NULL;
}

static const char *expected(const struct broken *relay, const char *id) {
	const char *result = find(relay->rows, COUNT_OF(relay->rows), id);
	if (!result)
		result = find(usual, COUNT_OF(usual), id);
	return result ? result : "kept";
}

static void expect_row(const struct broken *relay, const json_t *row) {
	const char *id, *result, *seen;
	double median;
	assert_int_equal(json_unpack((json_t *)row, "{ss ss ss}", "id", &id, "result", &result,
				     "seen", &seen),
			 0);
	if (strcmp(result, expected(relay, id)) != 0)
		fail_msg("%s: %s is %s: %s", relay->name, id, result, seen);
	if (strcmp(id, "delay/write-write-read") == 0) {
		assert_int_equal(sscanf(seen, "median %lf", &median), 1);
		bool held = strstr(seen, " ms") && median >= HELD_MS;
		if (held != (strcmp(relay->name, "holds-small-writes") == 0))
			fail_msg("%s: %s: %s", relay->name, id, seen);
	}
}

static void finish(struct run *run, const struct broken *relay) {
	int status = process_wait(run->path);
	if (status != EXIT_OK && status != 1)
		fail_msg("%s: %s", relay->name, process_errors(run->path, NULL));
	assert_true(process_is_running(run->relay));
	process_kill(run->relay);
	const json_t *rows =
		json_object_get(json_from(place_read(place_path(relay->name))), "rows");
	assert_true(json_array_size(rows) > 20);
	for (size_t i = 0; i < json_array_size(rows); i++)
		expect_row(relay, json_array_get(rows, i));
}

// All at once, as they mostly wait.
TEST(each_relay_turns_its_rows_and_no_other) {
	struct run runs[COUNT_OF(relays)];
	unsigned port = peer_free_port();
	for (size_t i = 0; i < COUNT_OF(relays); i++)
		runs[i] = start(i, port);
	for (size_t i = 0; i < COUNT_OF(relays); i++)
		finish(&runs[i], &relays[i]);
}
