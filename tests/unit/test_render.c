// A snapshot as text, JSON and Prometheus exposition: stats/render.
#include "test.h"

#include <ctype.h>
#include <jansson.h>
#include <regex.h>

#include "base/clock.h"
#include "stats/render.h"

static struct stats stats;
static struct snapshot snapshot;
static struct rates rates;

// Every counter and gauge gets a value of its own: 3 and up.
static void fill(void) {
	assert_int_equal(stats_open(&stats, 1, NULL), 0);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_record(&stats.threads->histogram[HISTOGRAM_queue_wait_seconds],
				 us * NS_PER_US);
	stats_sum(&stats, 1, &snapshot);
	rates_sample(&rates, &snapshot);
	snapshot.taken += 2 * NS_PER_S;
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		snapshot.counter[c] =
			(3 + c) * (counter_metrics[c].unit == UNIT_SECONDS ? NS_PER_S : 1);
	for (unsigned g = 0; g < GAUGE_COUNT; g++)
		snapshot.gauge[g] =
			(3 + g) * (gauge_metrics[g].unit == UNIT_SECONDS ? NS_PER_S : 1);
}

static void empty(void) {
	stats_close(&stats);
}

FIXTURE_ONCE(fill, empty);

// What `render` writes; freed by the caller.
static char *rendered(void (*render)(FILE *)) {
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	render(out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), size);
	assert_int_equal(text[size - 1], '\n');
	return text;
}

static void to_text(FILE *out) {
	render_text(out, &snapshot, &rates);
}

static void to_prometheus(FILE *out) {
	render_prometheus(out, &snapshot);
}

// The line of `text` that begins with `name` and a space; NULL when there is none.
static const char *line_of(const char *text, const char *name) {
	size_t length = strlen(name);
	for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
		if (strncmp(text, name, length) == 0 && text[length] == ' ')
			return text;
	}
	return NULL;
}

static void expect_shown(const char *text, const char *name, enum metric_unit unit,
			 unsigned value) {
	const char *line = line_of(text, name);
	if (!line)
		fail_msg("no line for %s", name);
	char *end;
	double given = strtod(line + strlen(name), &end);
	assert_true(given > value - 1e-9 && given < value + 1e-9);
	assert_int_equal(memchr(line, '.', (size_t)(end - line)) != NULL, unit == UNIT_SECONDS);
}

TEST(text_has_every_name_with_its_value) {
	char *text = rendered(to_text);
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		expect_shown(text, counter_metrics[c].name, counter_metrics[c].unit, 3 + c);
	for (unsigned g = 0; g < GAUGE_COUNT; g++)
		expect_shown(text, gauge_metrics[g].name, gauge_metrics[g].unit, 3 + g);
	expect_shown(text, histogram_metrics[0].name, UNIT_COUNT, 1000);
	expect_shown(text, histogram_metrics[1].name, UNIT_COUNT, 0);
	free(text);
}

TEST(text_has_the_rates) {
	char *text = rendered(to_text);
	double total, rate[RATE_SPANS];
	const char *line = line_of(text, "messages");
	assert_int_equal(
		sscanf(line, "messages %lf %lf %lf %lf", &total, &rate[0], &rate[1], &rate[2]), 4);
	for (int i = 0; i < RATE_SPANS; i++) // over the two seconds there are
		assert_true(rate[i] > total / 2 - 0.11 && rate[i] < total / 2 + 0.11);
	free(text);
}

TEST(text_fits_80_columns) {
	char *text = rendered(to_text);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t width = strcspn(line, "\n");
		if (width > 80)
			fail_msg("%zu columns: %.*s", width, (int)width, line);
		if (width > 0)
			assert_false(isspace((unsigned char)line[width - 1]));
	}
	free(text);
}

static const json_t *member(const json_t *object, const char *name) {
	const json_t *value = json_object_get(object, name);
	if (!value)
		fail_msg("no member %s", name);
	return value;
}

TEST(json_has_every_name_of_the_list) {
	json_t *object = render_json(&snapshot, &rates);
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
	assert_int_equal(json_object_size(object),
			 (size_t)COUNTER_COUNT + GAUGE_COUNT + HISTOGRAM_COUNT +
				 2); // schema, rates
	json_decref(object);
}

static void expect_near(const json_t *object, const char *name, double value) {
	double given = json_real_value(member(object, name));
	if (given < value * 63 / 64 || given > value * 65 / 64)
		fail_msg("%s is %g, not about %g", name, given, value);
}

TEST(json_histograms_are_in_seconds) {
	json_t *object = render_json(&snapshot, &rates);
	const json_t *wait = member(object, "queue_wait_seconds");
	assert_int_equal(json_object_size(wait), 7);
	assert_int_equal(json_integer_value(member(wait, "count")), 1000);
	expect_near(wait, "sum", 0.5005);
	expect_near(wait, "p50", 0.0005);
	expect_near(wait, "p90", 0.0009);
	expect_near(wait, "p99", 0.00099);
	expect_near(wait, "p99_9", 0.000999);
	assert_true(json_real_value(member(wait, "max")) == 0.001);
	json_decref(object);
}

TEST(json_has_the_rates_of_every_counter) {
	json_t *object = render_json(&snapshot, &rates);
	const json_t *all = member(object, "rates");
	assert_int_equal(json_object_size(all), COUNTER_COUNT);
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		const json_t *spans = member(all, counter_metrics[c].name);
		assert_int_equal(json_object_size(spans), RATE_SPANS);
		expect_near(spans, "1s", (3 + c) / 2.0);
		expect_near(spans, "10s", (3 + c) / 2.0);
		expect_near(spans, "60s", (3 + c) / 2.0);
	}
	json_decref(object);
}

TEST(json_can_be_written_and_read_again) {
	json_t *object = render_json(&snapshot, &rates);
	char *text = json_dumps(object, 0);
	json_error_t error;
	json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(again);
	assert_true(json_equal(object, again));
	json_decref(object);
	json_decref(again);
	free(text);
}

// The metric that the lines are about, as HELP and TYPE say, while the exposition is gone through.
struct exposition {
	char name[80];
	char type[16];
	bool helped;
	size_t metrics;
	uint64_t buckets; // the last cumulative count
	double limit;
	bool infinite;
};

static bool matches(const char *pattern, const char *line) {
	regex_t regex;
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool found = regexec(&regex, line, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static void check_comment(struct exposition *now, const char *line) {
	char name[80], type[16];
	if (matches("^# HELP (echod|process)_[a-z0-9_]+ [^\n]+$", line)) {
		assert_int_equal(sscanf(line, "# HELP %79s", now->name), 1);
		now->helped = true;
		return;
	}
	assert_true(matches("^# TYPE (echod|process)_[a-z0-9_]+ (counter|gauge|histogram)$", line));
	assert_int_equal(sscanf(line, "# TYPE %79s %15s", name, type), 2);
	assert_true(now->helped);
	assert_string_equal(name, now->name);
	strcpy(now->type, type);
	now->helped = false;
	now->metrics++;
	now->buckets = 0;
	now->limit = 0.0;
	now->infinite = false;
}

static void check_histogram_line(struct exposition *now, const char *rest) {
	char limit[32];
	uintmax_t count;
	double seconds;
	if (sscanf(rest, "_bucket{le=\"%31[^\"]\"} %ju", limit, &count) == 2) {
		assert_false(now->infinite);
		now->infinite = strcmp(limit, "+Inf") == 0;
		double value = strtod(limit, NULL);
		assert_true(value > now->limit);
		assert_true(count >= now->buckets);
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
	if (!matches("^(echod|process)_[a-z0-9_]+([{](le|version)=\"([0-9.]+|[+]Inf)\"[}])? "
		     "[0-9]+([.][0-9]+)?$",
		     line))
		fail_msg("not a sample: %s", line);
	size_t length = strlen(now->name);
	assert_true(now->type[0] &&
		    strncmp(line, now->name, length) == 0); // HELP and TYPE came first
	if (strcmp(now->type, "counter") == 0)
		assert_string_equal(now->name + length - 6, "_total");
	if (strcmp(now->type, "histogram") == 0)
		check_histogram_line(now, line + length);
	else
		assert_non_null(strchr(" {", line[length]));
}

TEST(prometheus_follows_the_text_format) {
	char *text = rendered(to_prometheus);
	struct exposition now = {0};
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (line[0] == '#')
			check_comment(&now, line);
		else
			check_sample(&now, line);
	}
	assert_int_equal(now.metrics, // and echod_build_info
			 (size_t)COUNTER_COUNT + GAUGE_COUNT + HISTOGRAM_COUNT + 1);
	free(text);
}

TEST(prometheus_has_every_value) {
	char *text = rendered(to_prometheus);
	char name[80];
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		snprintf(name, sizeof(name), "echod_%s_total", counter_metrics[c].name);
		expect_shown(text, name, counter_metrics[c].unit, 3 + c);
	}
	for (unsigned g = 0; g < GAUGE_COUNT; g++) {
		bool is_start = g == GAUGE_start_time_seconds;
		snprintf(name, sizeof(name), "%s_%s", is_start ? "process" : "echod",
			 gauge_metrics[g].name);
		expect_shown(text, name, gauge_metrics[g].unit, 3 + g);
	}
	assert_contains(text, "\nechod_build_info{version=\"" ECHOD_VERSION "\"} 1\n");
	// 1 to 1000 us: below 2^18 ns are 262 of them.
	assert_contains(text, "echod_queue_wait_seconds_bucket{le=\"0.000262144\"} 262\n");
	assert_contains(text, "echod_queue_wait_seconds_bucket{le=\"+Inf\"} 1000\n");
	assert_contains(text, "echod_queue_wait_seconds_sum 0.500500000\n");
	assert_contains(text, "echod_queue_wait_seconds_count 1000\n");
	free(text);
}

// In none of the three it is a number.
TEST(what_is_unknown_is_no_number) {
	uint64_t kept = snapshot.gauge[GAUGE_memory_resident_bytes];
	snapshot.gauge[GAUGE_memory_resident_bytes] = STATS_UNKNOWN;
	char *text = rendered(to_text);
	char *prometheus = rendered(to_prometheus);
	json_t *object = render_json(&snapshot, &rates);
	assert_true(matches("\nmemory_resident_bytes +unknown\n", text));
	assert_true(json_is_null(member(object, "memory_resident_bytes")));
	assert_null(strstr(prometheus, "memory_resident_bytes"));
	json_decref(object);
	free(prometheus);
	free(text);
	snapshot.gauge[GAUGE_memory_resident_bytes] = kept;
}
