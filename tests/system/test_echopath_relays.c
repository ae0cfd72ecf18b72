// Scenario: echopath tries relays of the tests' own. Through the sound one all rows are kept that a
// relay in user space can keep. Each broken one turns exactly its rows, also if the server's end is
// another process (--serve), in another network.
#include "base/cmdline.h"
#include "expect.h"
#include "path.h"
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
	const struct broken *broken;
	const char *json;
	struct process *relay, *path;
};

// Through a relay at `near`, to the far end's listener at `far`; `serve`: the far end, or NULL.
// On a slow path it leaves out what sends many packets.
static struct run start(const struct broken *broken, const char *near, const char *far,
			const char *serve, bool slow) {
	struct run run = {
		.broken = broken,
		.json = place_path(test_text("%s%s", broken->name, serve ? serve : "")),
		.relay = process_start_simple(BROKEN_RELAY_PROGRAM, broken->name, near, far)};
	assert_true(process_starts(run.relay));
	run.path = process_start_simple(
		ECHOPATH_PROGRAM, "--via", near, "--backend", far, "--quick", "--repeat", "1",
		"--timeout", "3s", "--json", run.json, slow ? "--quick" : "--skip-direct",
		serve ? "--far" : "--quick", serve ? serve : "--quick",
		slow ? "half-close/client" : NULL, "half-close/client-late", "half-close/server",
		"fin", "reset", "server", "data/one", "data/urgent", "talk", "address", "delay");
	return run;
}

static void start_far_end(const char *serve) {
	assert_true(process_starts(process_start_simple(ECHOPATH_PROGRAM, "--serve", serve)));
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

static void finish(struct run *run) {
	int status = process_wait(run->path);
	if (status != EXIT_OK && status != 1)
		fail_msg("%s: %s", run->broken->name, process_errors(run->path, NULL));
	assert_true(process_is_running(run->relay));
	process_kill(run->relay);
	const json_t *rows = json_object_get(json_from(place_read(run->json)), "rows");
	assert_true(json_array_size(rows) > 16);
	for (size_t i = 0; i < json_array_size(rows); i++)
		expect_row(run->broken, json_array_get(rows, i));
}

// All at once, as they mostly wait; some with the server's end in another process.
TEST(each_relay_turns_its_rows_and_no_other) {
	struct run runs[2 * COUNT_OF(relays)];
	size_t count = 0;
	unsigned port = peer_free_port();
	for (size_t i = 0; i < COUNT_OF(relays); i += 16) {
		const char *serve = test_text("127.0.4.%zu:%u", i + 1, port);
		start_far_end(serve);
		runs[count++] = start(&relays[i], test_text("127.0.3.%zu:%u", i + 1, port),
				      test_text("127.0.5.%zu:%u", i + 1, port), serve, false);
	}
	for (size_t i = 0; i < COUNT_OF(relays); i++)
		runs[count++] = start(&relays[i], test_text("127.0.1.%zu:%u", i + 1, port),
				      test_text("127.0.2.%zu:%u", i + 1, port), NULL, false);
	while (count > 0)
		finish(&runs[--count]);
}

// The far end is in another network, 2 ms away. Where none can be made it is on this loopback.
TEST(two_machines) {
	const struct path_spec spec = {.there.delay = NS_PER_MS, .back.delay = NS_PER_MS};
	struct path *network = path_is_possible() ? path_open(&spec) : NULL;
	struct run runs[(COUNT_OF(relays) + 9) / 10];
	if (!network)
		print_message("no /dev/net/tun: on one network\n");
	for (unsigned i = 0; i < COUNT_OF(runs); i++) {
		const char *near = test_text("%s:%u", network ? PATH_NEAR : "127.0.6.1", 7001 + i);
		const char *far = network ? PATH_FAR : "127.0.6.2";
		const char *serve = test_text("%s:%u", far, 7101 + i);
		if (network)
			path_go_far(network);
		start_far_end(serve);
		if (network)
			path_go_near(network);
		runs[i] = start(&relays[10 * i], near, test_text("%s:%u", far, 7001 + i), serve,
				true);
	}
	for (size_t i = 0; i < COUNT_OF(runs); i++)
		finish(&runs[i]);
	if (network)
		path_close(network);
}
