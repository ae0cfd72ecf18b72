// A snapshot as text, JSON and Prometheus exposition: stats/render.
#include "expect.h"

#include <ctype.h>

#include "base/clock.h"
#include "stats/render.h"

#define METRICS ((size_t)COUNTER_COUNT + GAUGE_COUNT + HISTOGRAM_COUNT)
#define LISTENERS 2

static const char *const labels[LISTENERS] = {"localhost:7", "unix:/a\"\\xE9"};

static struct stats stats;
static struct snapshot snapshot;
static struct rates rates;
static const char *text, *prometheus; // the snapshot in each form
static json_t *object;

static const char *rendered(void (*render)(FILE *)) {
	const char *output = test_output(render);
	assert_int_equal(output[strlen(output) - 1], '\n');
	return output;
}

static void to_text(FILE *out) { render_text(out, &snapshot, &rates); }

static void to_prometheus(FILE *out) { render_prometheus(out, &snapshot, false); }

static void to_openmetrics(FILE *out) { render_prometheus(out, &snapshot, true); }

static void render_all(void) {
	text = rendered(to_text);
	prometheus = rendered(to_prometheus);
	object = render_json(&snapshot, &rates);
}

static uint64_t in_unit(unsigned value, enum metric_unit unit) {
	return value * (unit == UNIT_SECONDS ? NS_PER_S : 1);
}

static unsigned listener_value(unsigned listener, unsigned metric) {
	return 1000 * (1 + listener) + metric;
}

// Every counter and gauge gets a value of its own: 3 and up.
BEFORE_ALL {
	assert_int_equal(stats_open(&stats, 1, NULL), 0);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_record(&stats.threads->histogram[HISTOGRAM_queue_wait_seconds],
				 us * NS_PER_US);
	stats_sum(&stats, 1, &snapshot);
	rates_sample(&rates, &snapshot);
	snapshot.taken += 2 * NS_PER_S;
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		snapshot.counter[c] = in_unit(3 + c, counter_metrics[c].unit);
	for (unsigned g = 0; g < GAUGE_COUNT; g++)
		snapshot.gauge[g] = in_unit(3 + g, gauge_metrics[g].unit);
	for (unsigned i = 0; i < LISTENERS; i++) {
		snapshot.listener[i].label = labels[i];
		for (unsigned m = 0; m < LISTENER_COUNT; m++)
			snapshot.listener[i].value[m] = listener_value(i, m);
	}
	snapshot.listener_count = LISTENERS;
	render_all();
}

AFTER_ALL {
	json_decref(object);
	stats_close(&stats);
}

// The rest of the line that begins with `name` and a space.
static const char *value_in(const char *lines, const char *name) {
	size_t length = strlen(name);
	for (const char *line = lines; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, name, length) == 0 && line[length] == ' ')
			return line + length;
	fail_msg("no line for %s", name);
	return NULL;
}

static void expect_shown(const char *lines, const char *name, enum metric_unit unit,
			 unsigned value) {
	const char *shown = value_in(lines, name);
	char *end;
	double given = strtod(shown, &end);
	assert_true(given > value - 1e-9 && given < value + 1e-9);
	assert_int_equal(memchr(shown, '.', (size_t)(end - shown)) != NULL, unit == UNIT_SECONDS);
}

TEST(text_has_every_name_with_its_value) {
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		expect_shown(text, counter_metrics[c].name, counter_metrics[c].unit, 3 + c);
	for (unsigned g = 0; g < GAUGE_COUNT; g++)
		expect_shown(text, gauge_metrics[g].name, gauge_metrics[g].unit, 3 + g);
	expect_shown(text, histogram_metrics[0].name, UNIT_COUNT, 1000);
	expect_shown(text, histogram_metrics[1].name, UNIT_COUNT, 0);
	double q[5];
	assert_int_equal(sscanf(value_in(text, histogram_metrics[0].name),
				"%*u %lf us %lf us %lf us %lf us %lf ms", &q[0], &q[1], &q[2],
				&q[3], &q[4]),
			 5);
	assert_true(490 < q[0] && q[0] < 510 && 885 < q[1] && q[1] < q[2] && q[2] <= q[3]);
	assert_true(q[4] == 1);
}

TEST(text_begins_with_the_instance) {
	assert_true(matches(text, test_text("^echod [0-9.]+, pid %d\n", getpid())));
}

TEST(text_has_the_listeners) {
	for (unsigned i = 0; i < LISTENERS; i++) {
		uintmax_t shown[5];
		static const enum listener_metric order[] = {
			LISTENER_connections_open, LISTENER_connections_accepted,
			LISTENER_connections_rejected, LISTENER_bytes_received,
			LISTENER_bytes_sent};
		assert_int_equal(sscanf(value_in(text, labels[i]), "%ju %ju %ju %ju %ju", &shown[0],
					&shown[1], &shown[2], &shown[3], &shown[4]),
				 5);
		for (size_t c = 0; c < COUNT_OF(order); c++)
			assert_int_equal(shown[c], listener_value(i, order[c]));
	}
}

TEST(text_has_the_rates) {
	double total, rate[RATE_SPANS];
	const char *shown = value_in(text, "messages");
	assert_int_equal(sscanf(shown, "%lf %lf %lf %lf", &total, &rate[0], &rate[1], &rate[2]), 4);
	for (int i = 0; i < RATE_SPANS; i++) // over the two seconds there are
		assert_true(rate[i] > total / 2 - 0.11 && rate[i] < total / 2 + 0.11);
}

TEST(text_fits_80_columns) {
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t width = strcspn(line, "\n");
		if (width > 80)
			fail_msg("%zu columns: %.*s", width, (int)width, line);
		if (width > 0)
			assert_false(isspace((unsigned char)line[width - 1]));
	}
}

static const json_t *member(const json_t *of, const char *name) {
	const json_t *value = json_object_get(of, name);
	if (!value)
		fail_msg("no member %s", name);
	return value;
}

TEST(json_has_every_name_of_the_list) {
#define COUNTER(name, unit, help)                                                    \
	assert_true(json_number_value(member(object, #name)) == 3 + COUNTER_##name); \
	assert_int_equal(json_is_integer(member(object, #name)), UNIT_##unit != UNIT_SECONDS);
#include "stats/counters.def"
#define GAUGE(name, unit, help)                                                    \
	assert_true(json_number_value(member(object, #name)) == 3 + GAUGE_##name); \
	assert_int_equal(json_is_integer(member(object, #name)), UNIT_##unit != UNIT_SECONDS);
#include "stats/counters.def"
#define HISTOGRAM(name, help) assert_true(json_is_object(member(object, #name)));
#include "stats/counters.def"
	assert_int_equal(json_integer_value(member(object, "schema")), 1);
	assert_string_equal(json_string_value(member(object, "version")), ECHOD_VERSION);
	assert_int_equal(json_integer_value(member(object, "pid")), getpid());
	// schema, version, pid, listeners, rates
	assert_int_equal(json_object_size(object), METRICS + 5);
}

TEST(json_has_the_listeners) {
	const json_t *list = member(object, "listeners");
	assert_int_equal(json_array_size(list), LISTENERS);
	for (unsigned i = 0; i < LISTENERS; i++) {
		const json_t *one = json_array_get(list, i);
		assert_string_equal(json_string_value(member(one, "listener")), labels[i]);
		for (unsigned m = 0; m < LISTENER_COUNT; m++)
			assert_int_equal(json_integer_value(member(one, listener_metrics[m].name)),
					 listener_value(i, m));
	}
}

static void expect_near(const json_t *of, const char *name, double value) {
	double given = json_real_value(member(of, name));
	if (given < value * 63 / 64 || given > value * 65 / 64)
		fail_msg("%s is %g, not about %g", name, given, value);
}

TEST(json_histograms_are_in_seconds) {
	const json_t *wait = member(object, "queue_wait_seconds");
	assert_int_equal(json_object_size(wait), 7);
	assert_int_equal(json_integer_value(member(wait, "count")), 1000);
	expect_near(wait, "sum", 0.5005);
	expect_near(wait, "p50", 0.0005);
	expect_near(wait, "p90", 0.0009);
	expect_near(wait, "p99", 0.00099);
	expect_near(wait, "p99_9", 0.000999);
	assert_true(json_real_value(member(wait, "max")) == 0.001);
}

TEST(json_has_the_rates_of_every_counter) {
	const json_t *all = member(object, "rates");
	assert_int_equal(json_object_size(all), COUNTER_COUNT);
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		const json_t *spans = member(all, counter_metrics[c].name);
		assert_int_equal(json_object_size(spans), RATE_SPANS);
		for (const char *const *span = STRINGS("1s", "10s", "60s"); *span; span++)
			expect_near(spans, *span, (3 + c) / 2.0);
	}
}

TEST(json_can_be_written_and_read_again) {
	const char *written = test_keep(json_dumps(object, 0));
	assert_true(json_equal(object, json_from(written)));
}

// The metric that the lines are about, as HELP and TYPE say, while the exposition is gone through.
struct exposition {
	char name[80], type[16];
	bool helped;
	size_t metrics;
	uint64_t buckets; // the last cumulative count
	double limit;
	bool infinite;
};

static void check_comment(struct exposition *now, const char *line) {
	char name[80], type[16];
	if (matches(line, "^# HELP (echod|process)_[a-z0-9_]+ [^\n]+$")) {
		assert_int_equal(sscanf(line, "# HELP %79s", now->name), 1);
		now->helped = true;
		return;
	}
	assert_true(matches(line, "^# TYPE (echod|process)_[a-z0-9_]+ (counter|gauge|histogram)$"));
	assert_int_equal(sscanf(line, "# TYPE %79s %15s", name, type), 2);
	assert_true(now->helped);
	assert_string_equal(name, now->name);
	*now = (struct exposition){.metrics = now->metrics + 1};
	strcpy(now->name, name);
	strcpy(now->type, type);
}

static void check_histogram_line(struct exposition *now, const char *rest) {
	char limit[32];
	uintmax_t count;
	double seconds;
	if (sscanf(rest, "_bucket{le=\"%31[^\"]\"} %ju", limit, &count) == 2) {
		assert_false(now->infinite);
		now->infinite = strcmp(limit, "+Inf") == 0;
		double value = strtod(limit, NULL);
		assert_true(value > now->limit && count >= now->buckets);
		now->limit = value;
		now->buckets = count;
	} else if (sscanf(rest, "_count %ju", &count) == 1) {
		assert_true(now->infinite);
		assert_int_equal(count, now->buckets);
	} else {
		assert_int_equal(sscanf(rest, "_sum %lf", &seconds), 1);
	}
}

static void check_sample(struct exposition *now, const char *line) {
	if (!matches(line, "^(echod|process)_[a-z0-9_]+([{]((le|version)=\"([0-9.]+|[+]Inf)|"
			   "listener=\"([^\"\\\\]|\\\\[\"\\\\])+)\"[}])? [0-9]+([.][0-9]+)?$"))
		fail_msg("not a sample: %s", line);
	size_t length = strlen(now->name);
	assert_true(now->type[0] &&
		    strncmp(line, now->name, length) == 0); // HELP and TYPE are first
	if (strcmp(now->type, "counter") == 0)
		assert_string_equal(now->name + length - 6, "_total");
	if (strcmp(now->type, "histogram") == 0)
		check_histogram_line(now, line + length);
	else
		assert_non_null(strchr(" {", line[length]));
}

TEST(prometheus_follows_the_text_format) {
	char *rest = test_keep(strdup(prometheus));
	struct exposition now = {0};
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		if (line[0] == '#')
			check_comment(&now, line);
		else
			check_sample(&now, line);
	}
	assert_int_equal(now.metrics, METRICS + LISTENER_COUNT + 1); // and echod_build_info
}

// The same samples; in the heads the names of families, which lack the suffix.
TEST(openmetrics_differs_in_the_heads) {
	char *rest = test_keep(strdup(rendered(to_openmetrics)));
	const char *left = prometheus;
	assert_contains(rest, "# TYPE echod_messages counter\n");
	assert_contains(rest, "# TYPE echod_listener_bytes_sent counter\n");
	assert_contains(rest, "# TYPE echod_build info\n");
	assert_contains(rest, "# TYPE echod_connections_open gauge\n");
	assert_string_equal(rest + strlen(rest) - 7, "\n# EOF\n");
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (line[0] == '#')
			continue;
		while (left[0] == '#')
			left = strchr(left, '\n') + 1;
		assert_memory_equal(left, line, strlen(line));
		left += strlen(line) + (*line != '\0');
	}
	assert_string_equal(left, "");
}

TEST(prometheus_has_every_value) {
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		const char *prefix = c == COUNTER_cpu_seconds ? "process" : "echod";
		expect_shown(prometheus, test_text("%s_%s_total", prefix, counter_metrics[c].name),
			     counter_metrics[c].unit, 3 + c);
	}
	for (unsigned g = 0; g < GAUGE_COUNT; g++) {
		const char *prefix = g == GAUGE_start_time_seconds ? "process" : "echod";
		expect_shown(prometheus, test_text("%s_%s", prefix, gauge_metrics[g].name),
			     gauge_metrics[g].unit, 3 + g);
	}
	for (unsigned i = 0; i < LISTENERS; i++)
		for (unsigned m = 0; m < LISTENER_COUNT; m++)
			assert_contains(prometheus,
					test_text("\nechod_listener_%s%s{listener=\"%s\"} %u\n",
						  listener_metrics[m].name,
						  m == LISTENER_connections_open ? "" : "_total",
						  i == 0 ? "localhost:7" : "unix:/a\\\"\\\\xE9",
						  listener_value(i, m)));
	assert_contains(prometheus, "\nechod_build_info{version=\"" ECHOD_VERSION "\"} 1\n");
	// 1 to 1000 us: below 2^18 ns are 262 of them.
	assert_contains(prometheus, "echod_queue_wait_seconds_bucket{le=\"0.000262144\"} 262\n");
	assert_contains(prometheus, "echod_queue_wait_seconds_bucket{le=\"68.719476736\"} 1000\n"
				    "echod_queue_wait_seconds_bucket{le=\"+Inf\"} 1000\n");
	assert_contains(prometheus, "echod_queue_wait_seconds_sum 0.500500000\n");
	assert_contains(prometheus, "echod_queue_wait_seconds_count 1000\n");
}

// In none of the three it is a number.
TEST(an_unknown_value_is_no_number) {
	uint64_t kept = snapshot.gauge[GAUGE_memory_resident_bytes];
	snapshot.gauge[GAUGE_memory_resident_bytes] = STATS_UNKNOWN;
	json_decref(object);
	render_all();
	assert_true(matches(text, "\nmemory_resident_bytes +unknown\n"));
	assert_true(json_is_null(member(object, "memory_resident_bytes")));
	assert_null(strstr(prometheus, "memory_resident_bytes"));
	snapshot.gauge[GAUGE_memory_resident_bytes] = kept;
	json_decref(object);
	render_all();
}
