// Scenario: echopath on the direct path, through socat, and through a proxy that wants CONNECT.
#include <signal.h>
#include <sys/socket.h>

#include "base/cmdline.h"
#include "expect.h"
#include "peer.h"
#include "place.h"
#include "process.h"

#define STALE 5
#define DIRECT "127.0.0.1:0"

static const char *via, *backend;

// Runs it through what listens at `via`, with a file of JSON, which is returned.
#define THROUGH(status, ...)                                                                \
	results(EXPECT_STATUS(status, ECHOPATH_PROGRAM, "--via", via, "--backend", backend, \
			      "--json", place_path("json"), __VA_ARGS__))

static json_t *results(struct process *process) {
	(void)process;
	return json_from(place_read(place_path("json")));
}

static const json_t *row_of(const json_t *json, const char *id) {
	const json_t *rows = json_object_get(json, "rows"), *row;
	size_t i;
	json_array_foreach(rows, i, row) {
		if (strcmp(json_string_value(json_object_get(row, "id")), id) == 0)
			return row;
	}
	fail_msg("there is no %s", id);
	return NULL;
}

static void expect_row(const json_t *json, const char *id, const char *result, const char *seen) {
	const json_t *row = row_of(json, id);
	const char *said = json_string_value(json_object_get(row, "seen"));
	if (strcmp(json_string_value(json_object_get(row, "result")), result) != 0)
		fail_msg("%s is not %s: %s", id, result, said);
	assert_contains(said, seen);
}

static long long sum_of(const json_t *json, const char *result) {
	return json_integer_value(json_object_get(json_object_get(json, "summary"), result));
}

static void start_socat(const char *option) {
	unsigned port = peer_free_port();
	via = test_text("127.0.0.1:%u", port);
	backend = test_text("127.0.0.2:%u", port);
	// A backlog of 5, the default, would lose connections of a burst.
	(void)process_start_simple(
		"socat", option,
		test_text("TCP-LISTEN:%u,bind=127.0.0.1,reuseaddr,fork,backlog=256", port),
		test_text("TCP:%s", backend));
	wait_until(peer_port_listens((uint16_t)port));
}

TEST(direct_path_is_clean) {
	const char *json = place_path("json"), *junit = place_path("junit");
	const char *table = OUTPUT_OF(ECHOPATH_PROGRAM, "--backend", DIRECT, "--quick", "--repeat",
				      "1", "--json", json, "--junit", junit);
	json_t *found = json_from(place_read(json));
	assert_int_equal(sum_of(found, "kept"), 24);
	assert_int_equal(sum_of(found, "info"), 2);
	assert_int_equal(sum_of(found, "changed") + sum_of(found, "broken"), 0);
	assert_contains(table, "\n24 kept, 0 changed, 0 broken, 2 info, 0 not run\n");
	for (const char *line = table; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") < 80);
	assert_contains(place_read(junit), "tests=\"26\" failures=\"0\" errors=\"0\"");
}

// Each row that --list has can be selected alone, and a beginning selects all that have it.
TEST(rows_are_selected) {
	const char *list = OUTPUT_OF(ECHOPATH_PROGRAM, "--list");
	assert_contains(list, "half-close/client\n    The client sends bytes and FIN.");
	assert_contains(list, "server/dead (not with --quick)\n");
	const char *tap = OUTPUT_OF(ECHOPATH_PROGRAM, "-b", DIRECT, "--tap", "-r", "1",
				    "half-close/client", "fin");
	assert_contains(tap, "TAP version 13\n1..4\n");
	assert_contains(tap,
			"\nok 1 - half-close/client\n  ---\n  {\"id\": \"half-close/client\", ");
	assert_contains(tap, "\nok 4 - fin/at-accept\n");
	assert_null(strstr(tap, "client-late"));
	assert_contains(OUTPUT_OF(ECHOPATH_PROGRAM, "-b", DIRECT, "-r", "3", "reset/at-accept"),
			"kept 3 of 3\n");
}

// socat ends a half-closed connection after half a second.
TEST(socat) {
	start_socat("-t0.5");
	json_t *found = THROUGH(EXIT_CHECK_FAILED, "-r", "2", "--junit", place_path("junit"),
				"half-close/client", "half-close/server", "reset/server-idle",
				"server/refused", "address/source", "data/urgent", "delay");
	expect_row(found, "half-close/client", "kept", "kept 2 of 2");
	expect_row(found, "half-close/server", "kept", "");
	expect_row(found, "reset/server-idle", "changed", "client got FIN in place of a reset");
	expect_row(found, "server/refused", "changed", "accepted, then FIN after ");
	expect_row(found, "address/source", "changed", "another port");
	expect_row(found, "data/urgent", "broken", "kept 0 of 2; the urgent byte is lost");
	expect_row(found, "delay/round-trip", "info", " more than directly");
	const char *junit = place_read(place_path("junit"));
	assert_contains(junit, "tests=\"8\" failures=\"1\" errors=\"0\" skipped=\"0\"");
	assert_contains(junit, "<failure type=\"broken\" message=\"kept 0 of 2; the urgent byte");

	found = THROUGH(EXIT_CHECK_FAILED, "-r", "1", "half-close/client-late", "half-close/many");
	expect_row(found, "half-close/client-late", "broken", "client got FIN ");
	expect_row(found, "half-close/client-late", "broken", " ms after its FIN");
	expect_row(found, "half-close/many", "kept", "50 of 50");
}

struct expectation {
	const char *name, *lines;
	int status;
	const char *said; // NULL: nothing
};

static const struct expectation expectations[] = {
	{"equal", "data/urgent broken # known\n\naddress/source changed\n", EXIT_OK, NULL},
	{"worse", "data/urgent changed\naddress/source changed\n", EXIT_CHECK_FAILED,
	 "data/urgent is broken, worse than expected (changed)"},
	{"unnamed", "data/urgent broken\n", EXIT_CHECK_FAILED,
	 "address/source is changed, worse than expected (kept)"},
	{"better", "data/urgent broken\naddress/source broken\n", STALE,
	 "address/source is changed, better than expected (broken)"},
	{"both", "data/urgent kept\naddress/source broken\n", EXIT_CHECK_FAILED, "worse"},
	{"others", "data/urgent broken\naddress/source changed\nidle/65s broken\n", EXIT_OK, NULL},
	{"id", "data/urgent broken\ndata/urgency kept\n", EXIT_USAGE, "line 2 of "},
	{"result", "data/urgent fine\n", EXIT_USAGE, "one of kept, info, changed, broken"},
	{"surplus", "data/urgent kept kept\n", EXIT_USAGE, "line 1 of "},
};

TEST_ROWS(expected, const struct expectation *row, expectations) {
	start_socat("-t0.5");
	const char *file = place_file("expect", row->lines, strlen(row->lines));
	struct process *process = EXPECT_STATUS(
		row->status, ECHOPATH_PROGRAM, "--via", via, "--backend", backend, "-r", "1",
		"--skip-direct", "--expect", file, "data/urgent", "address/source", "delay/round");
	const char *errors = process_errors(process, NULL);
	if (row->said)
		assert_contains(errors, row->said);
	else
		assert_string_equal(errors, "");
}

// With few descriptors the burst fails on the direct path, too. So nothing is said of the proxy.
TEST(unclean_direct_path) {
	start_socat("-t0.5");
	const struct rlimit few = {.rlim_cur = 60, .rlim_max = 60};
	const char *const *arguments = STRINGS(ECHOPATH_PROGRAM, "--via", via, "--backend", backend,
					       "connect/burst", "address");
	struct process *process =
		process_run_to(EXIT_INCONCLUSIVE, PROCESS(.arguments = arguments, .nofile = few));
	assert_contains(process_errors(process, NULL),
			"echopath: directly connect/burst is not-run: Too many open files");
	assert_string_equal(process_output(process, NULL), "");
}

// Too few descriptors for the burst alone.
TEST(not_run) {
	const struct rlimit few = {.rlim_cur = 60, .rlim_max = 60};
	const char *json = place_path("json"), *junit = place_path("junit");
	const char *const *arguments = STRINGS(ECHOPATH_PROGRAM, "-b", DIRECT, "--tap", "--json",
					       json, "--junit", junit, "connect/burst", "address");
	struct process *process =
		process_run_to(EXIT_INCONCLUSIVE, PROCESS(.arguments = arguments, .nofile = few));
	assert_contains(process_output(process, NULL),
			"\nok 2 - connect/burst # SKIP Too many open files\n");
	assert_contains(process_errors(process, NULL),
			"rows were not run, first connect/burst: Too many open files\n");
	json_t *found = json_from(place_read(json));
	expect_row(found, "address/source", "kept", "");
	expect_row(found, "connect/burst", "not-run", "Too many open files");
	assert_int_equal(sum_of(found, "not-run"), 1);
	assert_contains(place_read(junit), "failures=\"0\" errors=\"0\" skipped=\"1\"");
	assert_contains(place_read(junit), "<skipped message=\"Too many open files\"/>");
}

static const char *start_far_end(struct process **far_end) {
	const char *far = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	*far_end = process_start_simple(ECHOPATH_PROGRAM, "--serve", far);
	assert_true(process_starts(*far_end));
	return far;
}

// What was found before stands, and the rest was not run.
TEST(lost_far_end) {
	struct process *far_end;
	const char *far = start_far_end(&far_end), *json = place_path("json");
	struct process *process =
		process_start_simple(ECHOPATH_PROGRAM, "--far", far, "-b", DIRECT, "--json", json,
				     "fin/at", "server/silent", "idle/65s");
	wait_until(strstr(process_output(process, NULL), "fin/at-accept"));
	process_kill(far_end);
	process_expect_status(process, EXIT_INCONCLUSIVE);
	assert_contains(process_errors(process, NULL),
			"first server/silent: the side channel to the far end is lost: ");
	json_t *found = json_from(place_read(json));
	assert_int_equal(sum_of(found, "kept"), 1);
	assert_int_equal(sum_of(found, "not-run"), 2);
}

TEST(far_end_that_is_none) {
	uint16_t port;
	int listener = peer_listen(0, 1, &port);
	const char *far = test_text("127.0.0.1:%u", (unsigned)port);
	struct process *process =
		process_start_simple(ECHOPATH_PROGRAM, "--far", far, "-b", DIRECT);
	int fd = accept(listener, NULL, NULL);
	assert_int_equal(send(fd, "echopath 0\n", 11, 0), 11);
	process_expect_status(process, EXIT_UNREACHABLE);
	process_expect_complaint(process, "echopath", STRINGS("of another version"));
	close(fd);
	close(listener);
	process = EXPECT_STATUS(EXIT_UNREACHABLE, ECHOPATH_PROGRAM, "--far",
				start_far_end(&process), "-b", "192.0.2.1:7");
	process_expect_complaint(process, "echopath", STRINGS(": cannot listen on 192.0.2.1:7"));
}

static struct process *start_through_haproxy(const char *check, const char *json) {
	unsigned port = peer_free_port();
	via = test_text("127.0.0.1:%u", port);
	backend = test_text("127.0.0.2:%u", port);
	const char *text = test_text("defaults\nmode tcp\ntimeout connect 5s\ntimeout client 50s\n"
				     "timeout server 50s\nlisten relay\nbind %s\nserver s %s %s\n",
				     via, backend, check);
	(void)process_start_simple("/usr/sbin/haproxy", "-db", "-f",
				   place_file(via, text, strlen(text)));
	wait_until(peer_port_listens((uint16_t)port));
	return process_start_simple(ECHOPATH_PROGRAM, "--via", via, "--backend", backend, "--json",
				    json, "--skip-direct", "-q", "-r", "1");
}

// Ten connections a second of haproxy's own change nothing, even if it takes the server down for
// the row that refuses.
TEST(health_checks) {
	const char *left = place_path("plain"), *right = place_path("checked");
	struct process *plain = start_through_haproxy("", left);
	struct process *checked = start_through_haproxy("check inter 100ms fall 1 rise 1", right);
	process_expect_status(plain, EXIT_CHECK_FAILED);
	process_expect_status(checked, EXIT_CHECK_FAILED);
	const json_t *found = json_from(place_read(left));
	const json_t *rows = json_object_get(found, "rows");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *id = json_string_value(json_object_get(row, "id"));
		// haproxy may reset if FIN comes before its own connect has succeeded: a race.
		if (strcmp(id, "fin/after-connect") != 0)
			expect_row(json_from(place_read(right)), id,
				   json_string_value(json_object_get(row, "result")), "");
	}
	expect_row(found, "half-close/many", "kept", "50 of 50");
	assert_false(json_boolean_value(json_object_get(json_from(place_read(right)), "lazy")));
}

struct refusal {
	const char *name;
	const char *arguments[8];
	int status;
	const char *said;
};

static const struct refusal refusals[] = {
	{"backend", {"--quick"}, EXIT_USAGE, "--backend is missing"},
	{"unix", {"-b", "unix:/x"}, EXIT_USAGE, "--backend: 'unix:/x' is not HOST:PORT"},
	{"port", {"-b", DIRECT, "--via", "127.0.0.1:7"}, EXIT_USAGE, "port 0 is for the direct"},
	{"via", {"-b", ":7", "--via", ":7"}, EXIT_USAGE, "--via: ':7' is not HOST:PORT"},
	{"connect", {"-b", DIRECT, "--connect", "a:7"}, EXIT_USAGE, "--connect needs --via"},
	{"far", {"-b", DIRECT, "--far", ":7"}, EXIT_USAGE, "--far: ':7' is not HOST:PORT"},
	{"serve", {"-b", DIRECT, "--serve", "a:7"}, EXIT_USAGE, "--serve stands alone"},
	{"served", {"--serve", ":7"}, EXIT_USAGE, "--serve: ':7' is not HOST:PORT"},
	{"id", {"-b", DIRECT, "half-open"}, EXIT_USAGE, "no row begins with 'half-open'"},
	{"empty", {"-b", DIRECT, ""}, EXIT_USAGE, "no row begins with ''"},
	{"slow", {"-b", DIRECT, "-q", "idle"}, EXIT_USAGE, "--quick leaves out all rows"},
	{"repeat", {"-b", DIRECT, "-r", "0"}, EXIT_USAGE, "from 1 to 1000"},
	{"timeout", {"-b", DIRECT, "-t", "1ms"}, EXIT_USAGE, "100ms"},
	{"unread",
	 {"-b", DIRECT, "--expect", "/nowhere"},
	 EXIT_UNREACHABLE,
	 "cannot read /nowhere"},
	{"unwritten", {"-b", DIRECT, "--json", "/no/x"}, EXIT_UNREACHABLE, "cannot write /no/x"},
	{"max", {"idle", "-b", DIRECT, "-m", "0"}, EXIT_USAGE, "--max: "},
	{"operand", {"idle", "-b", DIRECT, "fin"}, EXIT_USAGE, "idle stands alone"},
};

TEST_ROWS(refused, const struct refusal *row, refusals) {
	const char *arguments[COUNT_OF(row->arguments) + 2] = {ECHOPATH_PROGRAM};
	memcpy(&arguments[1], row->arguments, sizeof(row->arguments));
	struct process *process = process_run_to(row->status, PROCESS(.arguments = arguments));
	process_expect_complaint(process, "echopath", STRINGS(row->said));
}

TEST(unreachable) {
	start_socat("-t0.5");
	const char *free_port = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	struct process *process = EXPECT_STATUS(EXIT_UNREACHABLE, ECHOPATH_PROGRAM, "--via",
						free_port, "--backend", backend, "--skip-direct");
	process_expect_complaint(process, "echopath", STRINGS(free_port, "Connection refused"));
	process = EXPECT_STATUS(EXIT_UNREACHABLE, ECHOPATH_PROGRAM, "--via", via, "--backend", via);
	process_expect_complaint(process, "echopath", STRINGS("cannot listen on ", via));
	process = EXPECT_STATUS(EXIT_UNREACHABLE, ECHOPATH_PROGRAM, "--via", via, "--backend",
				free_port, "--skip-direct", "-t", "500ms");
	process_expect_complaint(process, "echopath", STRINGS("does the proxy forward to it?"));
}

// socat -T ends what is silent for a second.
TEST(idle) {
	assert_string_equal(OUTPUT_OF(ECHOPATH_PROGRAM, "idle", "-b", DIRECT, "--max", "1s"),
			    "silence   then\n1s        alive\n");
	start_socat("-T1.5");
	const char *output =
		process_output(EXPECT_STATUS(EXIT_CHECK_FAILED, ECHOPATH_PROGRAM, "idle", "--via",
					     via, "--backend", backend, "--max", "3s"),
			       NULL);
	assert_contains(output, "\n1s        alive\n2s        ended after 1.");
	assert_contains(output, ": the client got FIN, the server FIN\n3s        ended after 1.");
}

// Copies both ways until both have ended, and passes FIN on.
static void copy_both_ways(int one, int other) {
	struct pollfd ends[] = {{.fd = one, .events = POLLIN}, {.fd = other, .events = POLLIN}};
	static char bytes[65536];
	while (ends[0].fd >= 0 || ends[1].fd >= 0) {
		(void)poll(ends, 2, -1);
		for (int i = 0; i < 2; i++) {
			int to = i == 0 ? other : one;
			if (ends[i].fd < 0 || !ends[i].revents)
				continue;
			ssize_t got = recv(ends[i].fd, bytes, sizeof(bytes), 0);
			if (got < 0 ||
			    (got > 0 && send(to, bytes, (size_t)got, MSG_NOSIGNAL) != got))
				return;
			if (got == 0) {
				shutdown(to, SHUT_WR);
				ends[i].fd = -1;
			}
		}
	}
}

// An HTTP proxy that answers each CONNECT with `answer` and connects to `backend` if it is 200.
static void serve_connect(int listener, const char *answer) {
	char request[512] = "", wanted[100];
	int client = accept(listener, NULL, NULL);
	if (client < 0)
		return;
	if (process_fork() != 0) {
		close(client);
		return;
	}
	for (size_t length = 0; !strstr(request, "\r\n\r\n"); length++)
		if (recv(client, &request[length], 1, 0) != 1)
			_exit(1);
	snprintf(wanted, sizeof(wanted), "CONNECT %s HTTP/1.1\r\nHost: ", backend);
	int server = peer_try_connect(backend, NULL);
	bool right = strncmp(request, wanted, strlen(wanted)) == 0;
	const char *line = right && server >= 0 ? answer : "HTTP/1.0 500 Unable to connect\r\n\r\n";
	if (send(client, line, strlen(line), MSG_NOSIGNAL) > 0 && server >= 0)
		copy_both_ways(client, server);
	_exit(0);
}

static void start_http_proxy(const char *answer) {
	uint16_t port;
	int listener = peer_listen(0, 256, &port);
	via = test_text("127.0.0.1:%u", (unsigned)port);
	backend = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	if (process_fork() == 0) {
		signal(SIGCHLD, SIG_IGN);
		for (;;)
			serve_connect(listener, answer);
	}
	close(listener);
}

TEST(http_proxy) {
	start_http_proxy("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
	json_t *found =
		THROUGH(EXIT_OK, "--connect", backend, "-r", "1", "half-close/client",
			"half-close/many", "talk/server-first", "server/refused", "connect/burst");
	expect_row(found, "half-close/client", "kept", "");
	expect_row(found, "half-close/many", "kept", "50 of 50");
	expect_row(found, "talk/server-first", "kept", "");
	expect_row(found, "connect/burst", "kept", "200 of 200 answered");
	expect_row(found, "server/refused", "changed", "answer to CONNECT: HTTP/1.0 500 Unable");
}

TEST(http_proxy_that_refuses) {
	start_http_proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
	struct process *process =
		EXPECT_STATUS(EXIT_UNREACHABLE, ECHOPATH_PROGRAM, "--via", via, "--backend",
			      backend, "--connect", backend, "--skip-direct");
	process_expect_complaint(process, "echopath",
				 STRINGS("answer to CONNECT: HTTP/1.1 403 Forbidden"));
}
