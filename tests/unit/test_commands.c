// The requests of the control protocol, and its commands with good and bad arguments:
// control/commands and control/lists.
#include "expect.h"

#include "control/commands.h"
#include "inside.h"
#include "peer.h"
#include "place.h"
#include "process.h"
#include "stats.h"

static struct rates rates;
static struct snapshot snapshot;

// With --patience never, unless the test gives another, a worker keeps its connection: the test
// knows which ones wait.
BEFORE_EACH {
	inside_configure();
	inside->config.patience = test_with() ? 0 : CLOCK_NEVER;
	inside_listen("127.0.0.1:0");
	inside_listen(place_address("s"));
	inside_start();
}

AROUND_EACH(NULL, inside_end);

// Runs the command in `line`. Returns the reply's body.
static const char *run_for(enum status expected, const char *line) {
	char *body = NULL;
	struct list list = {0};
	struct command_context context = {&inside->server, &rates, &snapshot, &list};
	char buffer[PROTOCOL_MAX_LINE + 1];
	size_t length = 0;
	FILE *out = open_memstream(&body, &length);
	assert_non_null(out);
	strcpy(buffer, line);
	enum status status = command_run(&context, buffer, strlen(line), out);
	while (list_goes_on(&list))
		list_write(&list, &inside->server, out);
	assert_false(list.failed);
	assert_int_equal(fclose(out), 0);
	if (status != expected)
		fail_msg("'%s': %d, not %d: %s", line, (int)status, (int)expected, body);
	assert_true(length > 0 && strlen(body) == length && body[length - 1] == '\n');
	return test_keep(body);
}

static const char *run(const char *line) { return run_for(STATUS_OK, line); }

static json_t *run_json(const char *line) {
	json_t *object = json_from(run(line));
	assert_int_equal(stats_get(object, "schema"), 1);
	return object;
}

static bool shows(const char *line, const char *first, const char *second) {
	const char *body = run(line);
	return strstr(body, first) && strstr(body, second);
}

TEST(a_trace_is_of_one_by_its_number_or_of_the_next) {
	assert_contains(run_for(STATUS_NOT_FOUND, "trace 7"), "no connection 7 is open");
	assert_contains(run_for(STATUS_NOT_FOUND, "trace 8 svg"), "no connection 8 is open");
	assert_contains(run("trace next"), "connection 1\n");
}

TEST(a_reply_that_cannot_be_written_is_a_failure) {
	char line[] = "stats json";
	const struct command_context context = {&inside->server, &rates, &snapshot, NULL};
	FILE *full = fopen("/dev/full", "w");
	assert_non_null(full);
	assert_int_equal(command_run(&context, line, strlen(line), full), STATUS_FAILED);
	fclose(full);
}

static void expect_bad(const char *line, const char *text) {
	const char *body = run_for(STATUS_BAD_REQUEST, line);
	assert_contains(body, text);
	assert_int_equal(process_count_lines(body), 1);
}

TEST(ping_and_version_answer) {
	assert_string_equal(run("ping"), "pong\n");
	assert_string_equal(run("  ping \r"), "pong\n");
	assert_string_equal(run("version"), "echod " ECHOD_VERSION "\n");
}

TEST(help_names_every_command) {
	const char *const *name =
		STRINGS("help", "ping", "version", "stats", "connections", "ledger", "trace",
			"workers", "ready", "log", "faults", "drain", "stop");
	const char *all = run("help");
	for (; *name; name++) {
		const char *one = run(test_text("help %s", *name));
		assert_contains(all, one);
		assert_int_equal(strncmp(one, *name, strlen(*name)), 0);
		assert_int_equal(process_count_lines(one), 1);
	}
}

TEST(an_invalid_request_is_named) {
	expect_bad("", "empty");
	expect_bad("  \r", "empty");
	expect_bad("pong", "unknown command 'pong'; commands: help ping");
	expect_bad("PING", "unknown command 'PING'");
	expect_bad("p\x01\xff%n", "unknown command 'p\\x01\\xFF%n'");
	expect_bad("help pong", "unknown command 'pong'");
	expect_bad("ping pong", "ping takes no argument; see help ping");
	expect_bad("stats json json", "stats takes one argument at most");
	expect_bad("a b c d e", "too many words");
	expect_bad("stats xml", "stats: 'xml' is not allowed; allowed: json, prometheus");
	expect_bad("trace", "trace: an argument is missing; allowed: the ID of a connection, next");
	expect_bad("trace 0", "'0' is not allowed");
	expect_bad("trace 1 xml", "allowed: the ID of a connection, next; after it svg");
	expect_bad("connections prometheus", "'prometheus' is not allowed; allowed: json");
	expect_bad("workers x", "workers: 'x' is not allowed; allowed: json");
	expect_bad("log", "log: an argument is missing; allowed: " LOG_LEVEL_NAMES);
	expect_bad("log loud", "log: 'loud' is not allowed; allowed: " LOG_LEVEL_NAMES);
	assert_contains(run_for(STATUS_FORBIDDEN, "faults"), "started with --faulty");
	expect_bad("drain soon", "drain: 'soon' is not allowed");
	expect_bad("drain 5", "drain: '5' is not allowed");
	expect_bad("drain -1s", "drain: '-1s' is not allowed");
	assert_int_equal(inside_gauge(GAUGE_draining), 0);
	char line[PROTOCOL_MAX_LINE] = "";
	memset(line, '\\', sizeof(line) - 1);
	expect_bad(line, "unknown command '\\x5C");
}

TEST(stats_come_in_three_formats) {
	assert_contains(run("stats"), "connections_accepted");
	assert_contains(run("stats prometheus"),
			"# TYPE echod_connections_accepted_total counter\n");
	assert_int_equal(stats_get(run_json("stats json"), "workers"), 2);
}

// The first by unix:, the others by TCP, in this order.
static void open_clients(int *clients, size_t count) {
	clients[0] = peer_connect_served(inside->server.names[1]);
	for (size_t i = 1; i < count; i++)
		clients[i] = peer_connect(inside->server.names[0]);
	// Bytes may arrive before they are counted as sent.
	wait_until(inside_gauge(GAUGE_connections_open) == count &&
		   inside_gauge(GAUGE_connections_serving) == 2 &&
		   inside_counter(COUNTER_bytes_sent) == 64);
}

static void check_connection(const json_t *connection, unsigned id) {
	bool serving = id <= 2;
	const char *peer = json_string_value(json_object_get(connection, "peer"));
	const char *local = json_string_value(json_object_get(connection, "local"));
	const char *state = json_string_value(json_object_get(connection, "state"));
	assert_int_equal(stats_get(connection, "id"), id);
	assert_string_equal(state, serving ? "serving" : "queued");
	assert_int_equal(json_is_null(json_object_get(connection, "worker")), !serving);
	assert_int_equal(stats_get(connection, "bytes_sent"), id == 1 ? 64 : 0);
	assert_string_equal(local, inside->server.names[id == 1]);
	assert_int_equal(strncmp(peer, id == 1 ? "unix user " : "127.0.0.1:", 10), 0);
}

TEST(connections_are_listed) {
	int clients[50];
	open_clients(clients, 50);
	// A worker may take a connection before the list names it.
	wait_until(shows("connections json", "\"worker\": 1", "\"worker\": 2"));
	json_t *object = run_json("connections json");
	const json_t *list = json_object_get(object, "connections");
	assert_int_equal(json_array_size(list), 50);
	for (unsigned i = 0; i < 50; i++)
		check_connection(json_array_get(list, i), i + 1);
	assert_true(shows("connections", " work-1 ", " queued "));
	assert_int_equal(process_count_lines(run("connections")), 51);
	peer_close_all(clients, 50);
	wait_until(inside_gauge(GAUGE_connections_open) == 0);
	object = run_json("connections json");
	assert_int_equal(json_array_size(json_object_get(object, "connections")), 0);
}

TEST(parked_connections_are_listed, .with = {"--patience 0"}) {
	int client = peer_connect_served(inside_address());
	wait_until(inside_gauge(GAUGE_connections_parked) == 1);
	wait_until(shows("connections json", "\"state\": \"parked\"", "\"worker\": null"));
	assert_contains(run("connections json"), "\"bytes_sent\": 64}");
	assert_contains(run("connections"), " parked ");
	peer_close(client);
}

TEST(workers_are_listed) {
	peer_visit(inside_address());
	wait_until(inside_counter(COUNTER_connections_closed_peer) == 1);
	int client = peer_connect_served(inside_address());
	wait_until(shows("workers json", "\"blocked\"", "\"leading\""));
	json_t *object = run_json("workers json");
	const json_t *list = json_object_get(object, "workers");
	assert_int_equal(json_array_size(list), 2);
	json_int_t served = 0;
	for (unsigned i = 0; i < 2; i++) {
		json_int_t id, count;
		double seconds;
		const char *state;
		json_t *connection;
		assert_int_equal(json_unpack_ex(json_array_get(list, i), NULL, JSON_STRICT,
						"{s:I, s:s, s:f, s:o, s:I}", "id", &id, "state",
						&state, "for_seconds", &seconds, "connection",
						&connection, "served", &count),
				 0);
		assert_int_equal(id, i + 1);
		if (strcmp(state, "blocked") == 0)
			assert_int_equal(json_integer_value(connection), 2);
		else
			assert_true(json_is_null(connection));
		served += count;
	}
	assert_int_equal(served, 1);
	// The leader may wake once more, if it was not asleep when the other came.
	wait_until(shows("workers", " leading ", " blocked "));
	assert_int_equal(process_count_lines(run("workers")), 3);
	peer_close(client);
}

TEST(the_log_level_can_be_set) {
	const char *const *levels = STRINGS("error", "warning", "info", "debug");
	for (int i = 0; levels[i]; i++) {
		assert_string_equal(run(test_text("log %s", levels[i])),
				    test_text("log level is %s\n", levels[i]));
		assert_int_equal(atomic_load(&inside->log.level), i);
	}
}

TEST(drain_takes_its_time_from_the_setting_or_the_request) {
	int client = peer_connect_served(inside_address());
	uint64_t now = clock_now();
	assert_string_equal(run("drain 1h"), "draining, at most 60.0 min\n");
	assert_int_equal(inside_gauge(GAUGE_draining), 1);
	assert_true(atomic_load(&inside->server.drain_deadline) >= now + 3600 * NS_PER_S);
	assert_string_equal(run("drain never"), "draining, at most never\n");
	assert_true(atomic_load(&inside->server.drain_deadline) == CLOCK_NEVER);
	assert_string_equal(run("drain"), "draining, at most 10.0 s\n");
	uint64_t deadline = atomic_load(&inside->server.drain_deadline);
	assert_true(deadline >= now + 10 * NS_PER_S && deadline <= clock_now() + 10 * NS_PER_S);
	peer_ping(client);
	assert_string_equal(run("stop"), "stopping\n");
	peer_expect_eof(client);
}

TEST(a_delay_is_told_with_what_is_left_of_it) {
	inside->server.config.drain_delay = 3600 * NS_PER_S;
	assert_string_equal(run("ready"), "ready\n");
	assert_string_equal(run("drain"), "draining in 60.0 min, then at most 10.0 s\n");
	assert_string_equal(run_for(STATUS_NOT_READY, "ready"), "not ready: draining\n");
	inside->server.config.drain_delay *= 2;
	assert_string_equal(run("drain 5s"), "draining in 60.0 min, then at most 5.0 s\n");
	peer_visit(inside_address());
	assert_string_equal(run("stop"), "stopping\n");
	inside_expect_done();
	assert_string_equal(run("drain"), "draining, at most 10.0 s\n");
}

// Requests, taken apart into words.

static const struct example {
	const char *line;
	size_t length; // 0: strlen
	enum request_result result;
	size_t count;
	const char *words[REQUEST_MAX_WORDS];
} examples[] = {
	{"ping", 0, REQUEST_OK, 1, {"ping"}},
	{"ping\r", 0, REQUEST_OK, 1, {"ping"}},
	{"  ping  ", 0, REQUEST_OK, 1, {"ping"}},
	{"stats json", 0, REQUEST_OK, 2, {"stats", "json"}},
	{"stats    json\r", 0, REQUEST_OK, 2, {"stats", "json"}},
	{"\tstats \t json\t", 0, REQUEST_OK, 2, {"stats", "json"}},
	{"a b c d", 0, REQUEST_OK, 4, {"a", "b", "c", "d"}},
	{"a b c d  ", 0, REQUEST_OK, 4, {"a", "b", "c", "d"}},
	{"a b c d e", 0, REQUEST_TOO_MANY_WORDS, 4, {"a", "b", "c", "d"}},
	{"", 0, REQUEST_EMPTY, 0, {NULL}},
	{"\r", 0, REQUEST_EMPTY, 0, {NULL}},
	{" \t ", 0, REQUEST_EMPTY, 0, {NULL}},
	{"\r\r", 0, REQUEST_OK, 1, {"\r"}}, // only one belongs to the end of the line
	{"pi\rng", 0, REQUEST_OK, 1, {"pi\rng"}},
	{"pi\xff\x01ng", 0, REQUEST_OK, 1, {"pi\xff\x01ng"}},
	{"ping\0", 5, REQUEST_NOT_TEXT, 0, {NULL}},
	{"\0ping", 5, REQUEST_NOT_TEXT, 0, {NULL}},
	{"stats \0json", 11, REQUEST_NOT_TEXT, 0, {NULL}},
	{"\0\r", 2, REQUEST_NOT_TEXT, 0, {NULL}},
};

TEST(lines_are_taken_apart_into_words) {
	for (size_t i = 0; i < COUNT_OF(examples); i++) {
		const struct example *example = &examples[i];
		size_t length = example->length ? example->length : strlen(example->line);
		char *line = malloc(length + 1); // the sanitizer sees a byte too many
		memcpy(line, example->line, length);
		struct request request;
		assert_int_equal(request_parse(line, length, &request), example->result);
		if (example->result == REQUEST_OK) {
			assert_int_equal(request.count, example->count);
			for (size_t word = 0; word < example->count; word++)
				assert_string_equal(request.words[word], example->words[word]);
		}
		free(line);
	}
}

static void check_random(const struct request *request, enum request_result result,
			 const char *line, size_t length) {
	assert_int_equal(result == REQUEST_OK,
			 request->count > 0 && result != REQUEST_TOO_MANY_WORDS);
	assert_true(request->count <= REQUEST_MAX_WORDS);
	for (size_t i = 0; i < request->count; i++) {
		const char *word = request->words[i];
		assert_true(word >= line && word < line + length);
		assert_true(word[0] != '\0' && strpbrk(word, " \t") == NULL);
		assert_true(word + strlen(word) <= line + length);
	}
}

TEST(any_bytes_are_survived) {
	static const char likely[] = "  \t\r\0abz\n\xff";
	uint64_t seed = 5;
	for (int i = 0; i < 100000; i++) {
		size_t length = (size_t)pattern_number(&seed, 0, i % 100 ? 20 : PROTOCOL_MAX_LINE);
		char *line = malloc(length + 1);
		for (size_t at = 0; at < length; at++)
			line[at] = (char)(i % 2 ? (int)pattern_number(&seed, 0, 255)
						: likely[pattern_number(&seed, 0,
									sizeof(likely) - 2)]);
		bool has_return = length > 0 && line[length - 1] == '\r';
		bool nul = memchr(line, '\0', length - has_return) != NULL;
		struct request request;
		enum request_result result = request_parse(line, length, &request);
		assert_int_equal(result == REQUEST_NOT_TEXT, nul);
		check_random(&request, result, line, length);
		free(line);
	}
}
