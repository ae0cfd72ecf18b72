// Scenario: echod --http. What it answers to which request, that it agrees with the control socket,
// and that its clients, however many and slow, disturb nobody.
#include <signal.h>
#include <sys/socket.h>

#include "base/cmdline.h"
#include "crowd.h"
#include "ctl.h"
#include "load.h"
#include "stats.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define LOOPBACK ("--http", "127.0.0.1:0")
#define MOST_ROWS 1000
#define MOST_CLIENTS 64

// An answer: from its status line to the end of the connection.
struct answer {
	unsigned status;
	const char *text, *body;
};

static struct answer receive(int fd) {
	static char text[(size_t)4 << 20];
	size_t length = 0;
	for (ssize_t got; (got = recv(fd, text + length, sizeof(text) - 1 - length, 0)) > 0;)
		length += (size_t)got;
	text[length] = '\0';
	close(fd);
	struct answer answer = {.text = test_keep(strdup(text))};
	answer.body = strstr(answer.text, "\r\n\r\n");
	if (sscanf(text, "HTTP/1.%*u %u ", &answer.status) != 1 || !answer.body)
		fail_msg("no answer: '%s'", text);
	answer.body += 4;
	return answer;
}

static struct answer ask(struct daemon *daemon, const char *request) {
	int fd = peer_connect(daemon->http);
	peer_send(fd, request, strlen(request));
	return receive(fd);
}

static const char *body_of(struct daemon *daemon, const char *request) {
	struct answer answer = ask(daemon, request);
	assert_int_equal(answer.status, 200);
	return answer.body;
}

#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define JSON "Content-Type: application/json; charset=utf-8\r\n"
#define PROMETHEUS "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
#define OPENMETRICS "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
#define ACCEPT(types) "GET /metrics HTTP/1.1\r\nHost: [::1]\r\nAccept: " types "\r\n\r\n"
#define HOST(name) "GET /healthz HTTP/1.1\r\nHost: " name "\r\n\r\n"
#define NAME_62 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct exchange {
	const char *name, *request;
	unsigned status;
	const char *head, *body; // what they hold
} exchanges[] = {
	{"page", GET("/"), 200, "Content-Security-Policy: default-src 'none';", "<h1>echod</h1>"},
	{"page_type", GET("/"), 200, "Content-Type: text/html; charset=utf-8\r\n", ""},
	{"query", GET("/healthz?a=b"), 200, TEXT, "ok\n"},
	{"health", GET("/healthz"), 200, TEXT, "ok\n"},
	{"ready", GET("/readyz"), 200, TEXT, "ready\n"},
	{"stats", GET("/stats.json"), 200, JSON, "\"connections_open\""},
	{"workers", GET("/workers.json"), 200, JSON, "\"state\": \"waiting\""},
	{"connections", GET("/connections.json"), 200, JSON, "\"truncated\": false"},
	{"pool", GET("/pool.json?after=0"), 200, JSON, "\"history\""},
	{"metrics", GET("/metrics"), 200, PROMETHEUS, "# TYPE echod_messages_total counter\n"},
	{"any", ACCEPT("*/*"), 200, PROMETHEUS, ""},
	{"text", ACCEPT("text/plain;version=0.0.4"), 200, PROMETHEUS, ""},
	{"openmetrics", ACCEPT("application/openmetrics-text"), 200, OPENMETRICS,
	 "# TYPE echod_messages counter\necho"},
	{"openmetrics_last",
	 ACCEPT("text/plain;q=0.5, Application/OpenMetrics-Text ; version=1.0.0"), 200, OPENMETRICS,
	 "# TYPE echod_build info\necho"},
	{"openmetrics_little", ACCEPT("application/openmetrics-text;version=1.0.0;q=0.001"), 200,
	 OPENMETRICS, "\n# EOF\n"},
	{"openmetrics_none", ACCEPT("application/openmetrics-text; q=0.0,text/plain"), 200,
	 PROMETHEUS, ""},
	{"openmetrics_beside", ACCEPT("application/openmetrics-text, text/plain;q=0"), 200,
	 OPENMETRICS, ""},
	{"openmetrics_like", ACCEPT("application/openmetrics-text2"), 200, PROMETHEUS, ""},
	{"without_host", "GET /healthz HTTP/1.0\r\n\r\n", 200, TEXT, "ok\n"},
	{"by_name", HOST("LocalHost:1"), 200, TEXT, "ok\n"},
	{"by_address", HOST("192.0.2.1:80"), 200, TEXT, "ok\n"},
	{"by_address6", HOST("[2001:db8::1]:80"), 200, TEXT, "ok\n"},
	{"rebinding", HOST("evil.example"), 403, TEXT, "localhost"},
	{"rebinding_like", HOST("127.0.0.1.evil.example:80"), 403, TEXT, ""},
	{"rebinding_long", HOST("localhost" NAME_62), 403, TEXT, ""},
	{"rebinding_46", HOST("1234567890123456789012345678901234567890123456"), 403, TEXT, ""},
	{"rebinding_empty", HOST(""), 403, TEXT, ""},
	{"host_missing", "GET / HTTP/1.1\r\n\r\n", 400, "", ""},
	{"space", "GET /healthz x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, TEXT, ""},
	{"other", GET("/metrics/"), 404, TEXT, "/readyz\n"},
	{"absolute", GET("http://localhost/healthz"), 404, TEXT, ""},
	{"escape", GET("/%6detrics"), 404, TEXT, ""},
	{"escaped_zero", GET("/%00x"), 404, TEXT, ""},
	{"post", "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405,
	 "Allow: GET, HEAD\r\n", ""},
	{"unknown", "FOO /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "Allow: GET, HEAD",
	 ""},
	{"options", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "Allow: GET, HEAD", ""},
};

static struct daemon *shared;

BEFORE_ALL {
	shared = daemon_start("--http", "0", "--workers", "3", "--control", place_path("shared"));
}

AFTER_ALL { daemon_stop(shared); }

TEST_ROWS(answers, const struct exchange *exchange, exchanges) {
	struct answer answer = ask(shared, exchange->request);
	assert_int_equal(answer.status, exchange->status);
	assert_contains(answer.text, exchange->head);
	assert_contains(answer.body, exchange->body);
	assert_contains(answer.text, "\r\nConnection: close\r\n");
	assert_null(strstr(answer.text, "Access-Control"));
	if (*exchange->head) { // it is ours, not the library's
		assert_contains(answer.text, "\r\nCache-Control: no-store\r\n");
		assert_contains(answer.text, "\r\nX-Content-Type-Options: nosniff\r\n");
	}
	size_t length = strlen(answer.body);
	assert_contains(answer.text, test_text("\r\nContent-Length: %zu\r\n", length));
}

TEST(head_has_no_body) {
	struct answer get = ask(shared, GET("/")), head;
	head = ask(shared, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_int_equal(head.status, 200);
	assert_string_equal(head.body, "");
	assert_contains(head.text, test_text("Content-Length: %zu\r\n", strlen(get.body)));
}

TEST(too_long) {
	char *long_one = test_keep(malloc(40000));
	memset(long_one, 'x', 40000);
	memcpy(long_one, "GET /", 5);
	memcpy(long_one + 39970, " HTTP/1.1\r\nHost: localhost\r\n\r", 29);
	strcpy(long_one + 39997, "\n");
	assert_true(ask(shared, long_one).status >= 400);
}

TEST(counters) {
	uint64_t requests = stats_counter(shared, "http_requests");
	uint64_t errors = stats_counter(shared, "http_errors");
	ask(shared, GET("/healthz"));
	ask(shared, GET("/nowhere"));
	assert_int_equal(stats_counter(shared, "http_requests"), requests + 2);
	assert_int_equal(stats_counter(shared, "http_errors"), errors + 1);
	pid_t pid = process_pid(shared->process);
	assert_int_equal(process_named_threads(pid, "echod/http\n"), 1);
}

// Whether the line is of a value that changes by being looked at.
static bool moves(const char *line) {
	static const char *const names[] = {
		"echod_http_", "echod_control_",       "echod_memory_",	     "echod_uptime_seconds",
		"echod_spin_", "echod_leader_wakeups", "process_cpu_seconds"};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

// The text of `echoctl stats --prometheus`, line by line; where the value moves, up to the value.
DAEMON_TEST(metrics_are_those_of_echoctl, LOOPBACK) {
	peer_visit(daemon->address[0]);
	stats_wait_at_rest(daemon);
	char *http = test_keep(strdup(body_of(daemon, GET("/metrics"))));
	char *ctl = test_keep(strdup(
		OUTPUT_OF(ECHOCTL_PROGRAM, "--control", daemon->control, "stats", "--prometheus")));
	size_t lines = 0;
	for (char *one, *other; (one = strsep(&http, "\n")) && *one; lines++) {
		other = strsep(&ctl, "\n");
		assert_non_null(other);
		if (moves(one))
			*strchr(one, ' ') = *strchr(other, ' ') = '\0';
		assert_string_equal(one, other);
	}
	assert_true(lines > 100);
	assert_string_equal(ctl, "");
}

static const char *metrics;
static void print_metrics(FILE *file) { fputs(metrics, file); }

TEST(promtool_is_content) {
	metrics = body_of(shared, GET("/metrics"));
	const char *text = test_output(print_metrics);
	const char *path = place_file("metrics", text, strlen(text));
	struct process *check =
		EXPECT_STATUS(0, "sh", "-c", "promtool check metrics <\"$0\" 2>&1", path);
	assert_string_equal(process_output(check, NULL), "");
}

DAEMON_TEST(lists_are_bounded, LOOPBACK) {
	const json_t *workers = json_from(body_of(daemon, GET("/workers.json")));
	assert_int_equal(json_array_size(json_object_get(workers, "workers")),
			 stats_get(stats_take(daemon), "workers"));
	const size_t sizes[] = {3, MOST_ROWS, MOST_ROWS + 1};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct crowd crowd = crowd_connect(daemon, sizes[i]);
		const json_t *list = json_from(body_of(daemon, GET("/connections.json")));
		size_t rows = json_array_size(json_object_get(list, "connections"));
		assert_int_equal(rows, sizes[i] < MOST_ROWS ? sizes[i] : MOST_ROWS);
		assert_int_equal(json_is_true(json_object_get(list, "truncated")),
				 sizes[i] > MOST_ROWS);
		crowd_leave(daemon, &crowd);
	}
}

static const json_t *pool(struct daemon *daemon, uint64_t after) {
	return json_from(body_of(
		daemon, test_text(GET("/pool.json?after=%llu"), (unsigned long long)after)));
}

// A row a second, each once; the messages of the span, and no time where nothing was timed.
DAEMON_TEST(history, ("--http", "127.0.0.1:0", "--workers", "17", "--patience", "0")) {
	assert_int_equal(json_array_size(json_object_get(pool(daemon, 0), "history")), 0);
	peer_visit(daemon->address[0]);
	const json_t *rows, *row;
	wait_until(json_array_size(rows = json_object_get(pool(daemon, 0), "history")) >= 2);
	uint64_t messages = 0, last = 0;
	for (size_t i = 0; (row = json_array_get(rows, i)); i++) {
		uint64_t at = (uint64_t)json_integer_value(json_array_get(row, 0));
		uint64_t rate = (uint64_t)json_integer_value(json_array_get(row, 1));
		assert_true(at > last);
		last = at;
		messages += rate;
		for (size_t column = 2; column < 6; column++)
			assert_int_equal(json_is_null(json_array_get(row, column)), rate == 0);
	}
	assert_int_equal(messages, 1);
	const json_t *next = pool(daemon, last);
	row = json_array_get(json_object_get(next, "history"), 0);
	assert_true(!row || json_integer_value(json_array_get(row, 0)) > (json_int_t)last);
	assert_int_equal(strlen(json_string_value(json_object_get(next, "workers"))), 17);
	assert_int_equal(json_array_size(json_object_get(next, "busy")), 16);
	assert_in_range(stats_get(next, "uptime_us"), last * 1000, PATIENCE / NS_PER_US);
	assert_true(json_is_null(json_object_get(next, "reason")));
}

DAEMON_TEST(ready_and_alive_until_the_end,
	    ("--http", "127.0.0.1:0", "--drain-timeout", "1h", "--drain-delay", "1h")) {
	int client = peer_connect_served(daemon->address[0]);
	for (int signals = 0; signals < 2; signals++) { // lame duck, then the drain
		process_signal(daemon->process, SIGTERM);
		process_signal_pause();
		wait_until(ask(daemon, GET("/readyz")).status == 503);
		assert_contains(ask(daemon, GET("/readyz")).body, "drain");
		assert_string_equal(body_of(daemon, GET("/healthz")), "ok\n");
		assert_contains(body_of(daemon, GET("/metrics")), "echod_ready 0\n");
		assert_contains(body_of(daemon, GET("/pool.json")), "\"reason\":\"drain");
	}
	peer_ping_last(client);
	daemon_expect_end(daemon);
}

DAEMON_TEST(not_ready_at_the_limit, ("--http", "127.0.0.1:0", "--max-connections", "1")) {
	int client = peer_connect_served(daemon->address[0]);
	wait_until(ask(daemon, GET("/readyz")).status == 503);
	assert_contains(ask(daemon, GET("/readyz")).body, "--max-connections");
	assert_int_equal(stats_counter(daemon, "http_errors"), 0);
	peer_close(client);
	wait_until(ask(daemon, GET("/readyz")).status == 200);
}

TEST(at_a_unix_socket) {
	const char *address = place_address("http");
	struct daemon *daemon = daemon_start("--http", address);
	assert_string_equal(daemon->http, address);
	assert_string_equal(body_of(daemon, HOST("any.example")), "ok\n"); // no browser gets there
	daemon_stop(daemon);
	assert_false(place_exists(place_path("http")));
}

// A page from elsewhere cannot reach it by DNS; others may know this host by a name.
TEST(at_all_addresses) {
	struct daemon *daemon = daemon_start("--http", ":0");
	const char *port = strrchr(daemon->http, ':');
	snprintf(daemon->http, sizeof(daemon->http), "127.0.0.1%s", test_text("%s", port));
	assert_string_equal(body_of(daemon, HOST("echo.example")), "ok\n");
	daemon_stop(daemon);
}

TEST(refusals) {
	const char *taken = shared->http;
	daemon_refuses(SPEC("--http", taken), EXIT_UNREACHABLE, STRINGS("--http", taken, "in use"));
	daemon_refuses(SPEC("--http", "70000"), EXIT_USAGE, STRINGS("--http", "70000"));
	daemon_refuses(SPEC("--http", "localhost"), EXIT_USAGE, STRINGS("--http", "localhost"));
	const char *path = place_address("both");
	daemon_refuses(SPEC("--http", path, "--listen", path), EXIT_UNREACHABLE, STRINGS("both"));
	assert_false(place_exists(place_path("both")));
}

static void expect_prompt_answers(struct daemon *daemon) {
	uint64_t begun = clock_now();
	assert_string_equal(body_of(daemon, GET("/readyz")), "ready\n");
	assert_int_equal(ctl_ask(daemon->control_fd, "ping", NULL), 200);
	peer_visit(daemon->address[0]);
	if (clock_now() - begun > PATIENCE / 20) // seconds, of which it takes a thousandth
		fail_msg("answered in %g s", clock_seconds(clock_now() - begun));
}

// Silent, in the middle of a request, and with a byte now and then: each is ended in time, and none
// takes a place from others. Then all descriptors are free for clients of the echo.
DAEMON_TEST(slow_clients, LOOPBACK) {
	int clients[5 * MOST_CLIENTS];
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		clients[i] = peer_connect(daemon->http);
		if (i % 3)
			peer_send(clients[i], "GET / HTTP/1.1\r\nX: ", 19);
		if (i % MOST_CLIENTS == 0)
			expect_prompt_answers(daemon);
	}
	expect_prompt_answers(daemon);
	stats_wait_at_least(daemon, "http_aborted", COUNT_OF(clients) - MOST_CLIENTS);
	uint64_t begun = clock_now();
	size_t open = COUNT_OF(clients);
	for (size_t round = 0; open > 0; round++) {
		open = 0;
		for (size_t i = 0; i < COUNT_OF(clients); i++) {
			char byte;
			if (clients[i] < 0)
				continue;
			if (i % 3 == 2) // a time-out of silence would never end these
				send(clients[i], "x", 1, MSG_NOSIGNAL);
			ssize_t got = recv(clients[i], &byte, 1, MSG_DONTWAIT);
			if (got == 0 || (got < 0 && errno != EAGAIN)) {
				close(clients[i]);
				clients[i] = -1;
			} else {
				open++;
			}
		}
		expect_prompt_answers(daemon);
		assert_true(clock_now() - begun < PATIENCE);
		poll(NULL, 0, 200);
	}
	assert_int_equal(stats_counter(daemon, "http_aborted"), COUNT_OF(clients));
}

// At the limit of descriptors the echo's clients get what was promised, whatever HTTP clients do.
TEST(descriptors_are_apart) {
	struct daemon *daemon = daemon_start_as(
		PROCESS(.arguments = STRINGS("--http", "127.0.0.1:0"), .nofile = {200, 200}));
	int http[2 * MOST_CLIENTS];
	peer_connect_all(daemon->http, http, COUNT_OF(http));
	int fds[200 - 40 - 1 - MOST_CLIENTS - 8];
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = peer_connect_served(daemon->address[0]);
	assert_contains(ask(daemon, GET("/readyz")).body, "--max-connections");
	assert_int_equal(stats_counter(daemon, "accept_errors_descriptors"), 0);
	peer_close_all(fds, COUNT_OF(fds));
	peer_close_all(http, COUNT_OF(http));
	daemon_stop(daemon);
}

// A thousand slow clients of the real tool, beside a load.
DAEMON_TEST(slowhttptest, ("--http", "127.0.0.1:0", "--workers", "4")) {
	crowd_room(1200, 0);
	static const char *const attacks[] = {"-H", "-X", "-B"}; // slow head, reading, body
	for (size_t i = 0; i < COUNT_OF(attacks); i++) {
		struct process *attack = process_start_simple(
			"slowhttptest", attacks[i], "-c", "1000", "-r", "1000", "-i", "1", "-l",
			"4", "-u", test_text("http://%s/", daemon->http));
		struct process *load =
			process_start_simple(LOAD_FOR_RESULT, daemon->address[0], "--connections",
					     "20", "--duration", "3s", "--rate", "1k");
		for (; process_is_running(load); poll(NULL, 0, 20))
			expect_prompt_answers(daemon);
		load_expect_status(load, process_wait(load), 0);
		assert_int_equal(load_errors(load_result(load), NULL), 0);
		process_signal(attack, SIGINT);
		process_wait(attack);
	}
	stats_wait_at_least(daemon, "http_aborted", 1000 - MOST_CLIENTS);
}
