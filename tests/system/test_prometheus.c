// Scenario: a real Prometheus scrapes the server, with the files of tools/deploy. It knows what the
// server says, under load and at rest; the dashboard and the alerts find what they ask for.
#include <math.h>
#include <signal.h>
#include <sys/socket.h>

#include "load.h"
#include "network.h"
#include "peer.h"
#include "stats.h"

#define PROMETHEUS "127.0.0.1:9090"
#define LOAD_SECONDS "3s"

// Until the next scrape or evaluation, which come every second.
#define WAIT_SCRAPED(condition, ...) wait_with_(condition, poll(NULL, 0, 50), __VA_ARGS__)

static struct daemon *server;
static struct process *prometheus;

// In place of `from`, which is there, `to`; everywhere.
static const char *put_in(const char *text, const char *from, const char *to) {
	const char *result = "";
	for (const char *at; (at = strstr(text, from)); text = at + strlen(from))
		result = test_text("%s%.*s%s", result, (int)(at - text), text, to);
	return test_text("%s%s", result, text);
}

static void put_file(const char *name) {
	const char *text = place_read(test_text(DEPLOY_FOLDER "/prometheus/%s", name));
	if (strcmp(name, "prometheus.yml") == 0) {
		assert_contains(text, "scrape_interval: 15s");
		text = put_in(text, "_interval: 15s", "_interval: 1s");
	}
	place_file(name, text, strlen(text));
}

// The answer of Prometheus to GET `path`, from the status line on. Valid until the next call.
static const char *answer(const char *path) {
	static char text[4 << 20];
	size_t length = 0;
	int fd = peer_connect(PROMETHEUS);
	const char *request = test_text("GET %s HTTP/1.0\r\n\r\n", path);
	peer_send(fd, request, strlen(request));
	for (ssize_t got; (got = recv(fd, text + length, sizeof(text) - 1 - length, 0)) > 0;)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	return text;
}

static bool is_ready(void) {
	return peer_port_listens(9090) && strncmp(answer("/-/ready"), "HTTP/1.0 200 ", 13) == 0;
}

// The data in its answer.
static const json_t *get(const char *path) {
	const char *text = answer(path), *body = strstr(text, "\r\n\r\n");
	if (strncmp(text, "HTTP/1.0 200 ", 13) != 0 || !body)
		fail_msg("%s: %s", path, text);
	const json_t *data = json_object_get(json_from(body + 4), "data");
	assert_non_null(data);
	return data;
}

// The series that a query finds.
static const json_t *query(const char *expression) {
	const char *path = "/api/v1/query?query=";
	for (; *expression; expression++)
		path = test_text("%s%%%02x", path, (unsigned char)*expression);
	const json_t *found = json_object_get(get(path), "result");
	assert_true(json_is_array(found));
	return found;
}

static double value_of(const json_t *series) {
	const json_t *pair = json_object_get(series, "value");
	return strtod(json_string_value(json_array_get(pair, 1)), NULL);
}

// The value of the only series that it finds; NAN if there is none.
static double value(const char *expression) {
	const json_t *found = query(expression);
	assert_true(json_array_size(found) <= 1);
	return json_array_size(found) == 1 ? value_of(json_array_get(found, 0)) : NAN;
}

static const char *label(const json_t *series, const char *name) {
	const char *text =
		json_string_value(json_object_get(json_object_get(series, "metric"), name));
	return text ? text : "";
}

BEFORE_ALL {
	network_enter();
	put_file("prometheus.yml");
	put_file("echod.rules.yml");
	server = daemon_start("--http", "127.0.0.1:9107", "--workers", "2", "--drain-timeout", "1h",
			      "--max-connections", "1000", "--listen", "127.0.0.1:0", "--listen",
			      place_address("echo"));
	prometheus = process_start_simple(
		"prometheus", "--config.file", place_path("prometheus.yml"), "--storage.tsdb.path",
		place_path("data"), "--web.listen-address", PROMETHEUS, "--log.level=warn");
	WAIT_SCRAPED(is_ready() || !process_is_running(prometheus), "Prometheus is not ready");
	if (!process_is_running(prometheus))
		fail_msg("prometheus: %s", process_errors(prometheus, NULL));
	WAIT_SCRAPED(value("up") == 1, "not scraped: %s", json_dumps(get("/api/v1/targets"), 0));
}

AFTER_ALL {
	if (!server->ended)
		daemon_stop(server);
	process_kill(prometheus);
}

// The first metric of the server, or of one of its listeners, that Prometheus has not got yet as
// the server says; NULL: none.
static const char *behind(const char *const *names, const char *prefix, const json_t *said,
			  const json_t *known, const char *listener) {
	for (; *names; names++) {
		const json_t *expected = json_object_get(said, *names), *series;
		const char *gauge = test_text("%s%s", prefix, *names);
		const char *counter = test_text("%s_total", gauge);
		bool same = false;
		size_t index;
		json_array_foreach(known, index, series) {
			const char *name = label(series, "__name__");
			if (strcmp(label(series, "listener"), listener) == 0 &&
			    (strcmp(name, counter) == 0 || strcmp(name, gauge) == 0))
				same = fabs(value_of(series) - json_number_value(expected)) < 1e-6;
		}
		if (!same)
			return gauge;
	}
	return NULL;
}

static const char *const names[] = {
#define COUNTER(name, unit, help) #name,
#define GAUGE(name, unit, help) #name,
#include "stats/counters.def"
};
static const char *const listener_names[] = {
#define LISTENER(name, unit, help) #name,
#include "stats/counters.def"
	NULL,
};

// Of all but those that move while nobody is connected.
static const char *first_behind(void) {
	const char *still[COUNT_OF(names) + 1];
	size_t count = 0, index;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (!matches(names[i], "^(memory_|control_|cpu_|http_|uptime_|start_time_)"))
			still[count++] = names[i];
	still[count] = NULL;
	const json_t *said = stats_take(server), *known = query("{job=\"echod\"}"), *each;
	const char *name = behind(still, "echod_", said, known, "");
	json_array_foreach(json_object_get(said, "listeners"), index, each) {
		const char *listener = json_string_value(json_object_get(each, "listener"));
		if (!name)
			name = behind(listener_names, "echod_listener_", each, known, listener);
	}
	return name;
}

TEST(it_knows_what_the_server_says) {
	const char *name = NULL;
	struct process *loads[2];
	for (size_t i = 0; i < 2; i++)
		loads[i] = process_start_simple(LOAD_FOR_RESULT, server->address[i], "-c", "8",
						"-m", i ? "churn" : "ping", "-d", LOAD_SECONDS);
	// While it lasts there are numbers between the first and the last.
	WAIT_SCRAPED(value("min_over_time(rate(echod_messages_total[3s])[2s:1s])") > 0,
		     "no rate under load");
	uint64_t bytes = 0;
	for (size_t i = 0; i < 2; i++) {
		process_expect_status(loads[i], 0);
		bytes += load_count(load_result(loads[i]), "bytes_verified");
	}
	stats_wait_at_rest(server);
	WAIT_SCRAPED(!(name = first_behind()), "Prometheus has another %s", name);
	assert_true(bytes > 0 && value("echod_bytes_sent_total") >= (double)bytes);
	assert_true(value("sum(echod_listener_bytes_sent_total)") ==
		    value("echod_bytes_sent_total"));

	// In each scrape the law holds: what was accepted is open or closed.
	assert_true(value("max_over_time(abs(sum(echod_connections_accepted_total)"
			  " - sum(echod_connections_open)"
			  " - sum({__name__=~'echod_connections_closed_.+'}))[1m:1s])") == 0);

	const json_t *said = stats_take(server);
	static const char *const histograms[] = {"queue_wait_seconds", "service_time_seconds"};
	for (size_t i = 0; i < COUNT_OF(histograms); i++) {
		double count = value(test_text("echod_%s_count", histograms[i]));
		assert_true(count > 0 && count == stats_part(said, histograms[i], "count"));
		assert_true(count == value(test_text("echod_%s_bucket{le='+Inf'}", histograms[i])));
	}
	assert_true(fabs(value("process_start_time_seconds") -
			 stats_number(said, "start_time_seconds")) < 1e-3);
	assert_true(value("echod_build_info{version='" ECHOD_VERSION "'}") == 1);
}

// The name of a counter has no _total in OpenMetrics' metadata, and has one in the older format.
TEST(it_scrapes_openmetrics_without_errors) {
	const json_t *target = load_member(get("/api/v1/targets"), "activeTargets.0");
	assert_string_equal(load_text(target, "health"), "up");
	assert_string_equal(load_text(target, "lastError"), "");
	const json_t *metadata = get("/api/v1/targets/metadata?metric=echod_bytes_sent");
	assert_string_equal(load_text(metadata, "0.type"), "counter");
	assert_string_equal(load_text(metadata, "0.help"), "bytes sent back to clients");
}

static const char *fill(const char *expression) {
	static const char *const variables[][2] = {{"$job", "echod"},
						   {"$instance", ".*"},
						   {"$listener", ".*"},
						   {"$__rate_interval", "1m"}};
	for (size_t i = 0; i < COUNT_OF(variables); i++)
		expression = put_in(expression, variables[i][0], variables[i][1]);
	assert_null(strchr(expression, '$'));
	return expression;
}

static void expect_answer(const char *panel, const char *expression) {
	const json_t *found = query(fill(expression)), *series;
	size_t index;
	if (json_array_size(found) == 0)
		fail_msg("%s: nothing for %s", panel, expression);
	json_array_foreach(found, index, series) {
		if (!isfinite(value_of(series)))
			fail_msg("%s: no number for %s", panel, expression);
	}
}

static const json_t *dashboard(const char *member) {
	const json_t *all = json_from(place_read(DEPLOY_FOLDER "/grafana/echod.json"));
	return load_member(all, member);
}

TEST(every_query_of_the_dashboard_has_an_answer) {
	const json_t *panel, *target;
	size_t p, t, count = 0;
	json_array_foreach(dashboard("panels"), p, panel) {
		const char *title = load_text(panel, "title");
		if (strcmp(load_text(panel, "type"), "row") == 0)
			continue;
		assert_true(strlen(load_text(panel, "description")) > 0);
		json_array_foreach(load_member(panel, "targets"), t, target) {
			const char *expression = load_text(target, "expr");
			count++; // without jemalloc memory is unknown
			if (sizeof(ECHOD_SANITIZE) == 1 || !strstr(expression, "_memory_"))
				expect_answer(title, expression);
		}
	}
	assert_true(count > 40);
}

// Each has values: label_values(METRIC, LABEL).
TEST(every_variable_of_the_dashboard_has_values) {
	const json_t *variable;
	size_t index, count = 0;
	json_array_foreach(dashboard("templating.list"), index, variable) {
		if (strcmp(load_text(variable, "type"), "query") != 0)
			continue;
		const char *text = load_text(variable, "query.query");
		const char *comma = strrchr(text, ',');
		char name[32];
		assert_int_equal(sscanf(comma, ", %31[a-z])", name), 1);
		const json_t *found =
			query(fill(test_text("%.*s", (int)(comma - text) - 13, text + 13)));
		assert_true(json_array_size(found) > 0);
		assert_true(strlen(label(json_array_get(found, 0), name)) > 0);
		count++;
	}
	assert_int_equal(count, 3);
}

// How many rules are not as they should be while all is well.
static size_t odd_rules(void) {
	const json_t *rules = load_member(get("/api/v1/rules"), "groups.0.rules"), *rule;
	size_t index, odd = 0;
	assert_true(json_array_size(rules) >= 5);
	json_array_foreach(rules, index, rule) odd +=
		strcmp(load_text(rule, "health"), "ok") != 0 ||
		strcmp(load_text(rule, "state"), "inactive") != 0;
	return odd;
}

TEST(no_alert_fires_and_each_knows_its_metrics) {
	const char *text = place_read(place_path("echod.rules.yml"));
	WAIT_SCRAPED(odd_rules() == 0, "rules: %s", json_dumps(get("/api/v1/rules"), 0));
	for (; (text = strpbrk(text, "ep")); text++) {
		char name[64];
		if (sscanf(text, "%63[a-z_]", name) == 1 &&
		    matches(name, "^(echod|process)_[a-z_]+$"))
			expect_answer("alert", name);
	}
}

static bool is_pending(const char *alert) {
	return value(test_text("ALERTS{alertname='%s',alertstate='pending'}", alert)) == 1;
}

// It is scraped to the end.
TEST(it_sees_a_drain_and_the_end) {
	int client = peer_connect_served(server->address[0]);
	process_signal(server->process, SIGTERM);
	WAIT_SCRAPED(value("echod_draining") == 1 && value("echod_ready") == 0, "no drain");
	WAIT_SCRAPED(is_pending("EchodDrainOverdue"), "no alert for the drain");
	peer_close(client);
	daemon_expect_end(server);
	WAIT_SCRAPED(value("up") == 0, "not down");
	WAIT_SCRAPED(is_pending("EchodDown"), "no alert for the end");
}
