#include "stats/render.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/units.h"

struct quantile {
	const char *name;
	double percent;
};

static const struct quantile quantiles[] = {
	{"p50", 50.0}, {"p90", 90.0}, {"p99", 99.0}, {"p99_9", 99.9}, {"max", 100.0},
};
#define QUANTILE_COUNT (sizeof(quantiles) / sizeof(quantiles[0]))

// The value in the unit it is shown in: whole, or seconds with `places`.
static void print_value(FILE *out, int width, enum metric_unit unit, uint64_t value,
			unsigned places)
{
	char text[32] = "unknown";
	bool is_time = unit == UNIT_SECONDS;
	if (value != STATS_UNKNOWN)
		units_format_decimal(value, is_time ? NS_PER_S : 1, is_time ? places : 0, text,
				     sizeof(text));
	fprintf(out, "%*s", width, text);
}

static void text_histogram(FILE *out, const struct metric *metric, const struct histogram_sum *sum)
{
	char text[16];
	fprintf(out, "%-27s %6" PRIu64, metric->name, sum->count);
	for (size_t q = 0; q < QUANTILE_COUNT; q++)
		fprintf(out, " %8s",
			units_format_duration(histogram_percentile(sum, quantiles[q].percent), text,
					      sizeof(text)));
	fputc('\n', out);
}

// The rate a second, in the unit that the counter is shown in.
static double rate_of(const struct rates *rates, const struct snapshot *now, enum counter counter,
		      unsigned seconds)
{
	double rate = rates_per_second(rates, now, counter, seconds);
	return counter_metrics[counter].unit == UNIT_SECONDS ? rate / (double)NS_PER_S : rate;
}

static void text_listeners(FILE *out, const struct snapshot *snapshot)
{
	fprintf(out, "\n%-24s %7s %10s %9s %12s %12s\n", "listener", "open", "accepted", "rejected",
		"received", "sent");
	for (size_t i = 0; i < snapshot->listener_count; i++) {
		const uint64_t *value = snapshot->listener[i].value;
		fprintf(out,
			"%-24s %7" PRIu64 " %10" PRIu64 " %9" PRIu64 " %12" PRIu64 " %12" PRIu64
			"\n",
			snapshot->listener[i].label, value[LISTENER_connections_open],
			value[LISTENER_connections_accepted], value[LISTENER_connections_rejected],
			value[LISTENER_bytes_received], value[LISTENER_bytes_sent]);
	}
}

void render_text(FILE *out, const struct snapshot *snapshot, const struct rates *rates)
{
	fprintf(out, "echod " ECHOD_VERSION ", pid %d\n\n", getpid());
	fprintf(out, "%-27s %14s\n", "gauge", "now");
	for (int g = 0; g < GAUGE_COUNT; g++) {
		fprintf(out, "%-27s ", gauge_metrics[g].name);
		print_value(out, 14, gauge_metrics[g].unit, snapshot->gauge[g], 6);
		fputc('\n', out);
	}
	fprintf(out, "\n%-27s %14s %11s %11s %11s\n", "counter", "total", "per s: 1 s", "10 s",
		"60 s");
	for (int c = 0; c < COUNTER_COUNT; c++) {
		fprintf(out, "%-27s ", counter_metrics[c].name);
		print_value(out, 14, counter_metrics[c].unit, snapshot->counter[c], 6);
		for (int s = 0; s < RATE_SPANS; s++) {
			char text[32];
			double rate = rate_of(rates, snapshot, (enum counter)c, rate_spans[s]);
			fprintf(out, " %11s",
				units_format_decimal((uint64_t)(10 * rate + 0.5), 10, 1, text,
						     sizeof(text)));
		}
		fputc('\n', out);
	}
	fprintf(out, "\n%-27s %6s", "histogram", "count");
	for (size_t q = 0; q < QUANTILE_COUNT; q++)
		fprintf(out, " %8s", quantiles[q].name);
	fputc('\n', out);
	for (int h = 0; h < HISTOGRAM_COUNT; h++)
		text_histogram(out, &histogram_metrics[h], &snapshot->histogram[h]);
	text_listeners(out, snapshot);
}

static json_t *json_value(enum metric_unit unit, uint64_t value)
{
	if (value == STATS_UNKNOWN)
		return json_null();
	return unit == UNIT_SECONDS ? json_real(clock_seconds(value))
				    : json_integer((json_int_t)value);
}

static json_t *json_histogram(const struct histogram_sum *sum)
{
	json_t *object = json_object();
	json_put(&object, "count", json_integer((json_int_t)sum->count));
	json_put(&object, "sum", json_real(clock_seconds(sum->sum)));
	for (size_t q = 0; q < QUANTILE_COUNT; q++)
		json_put(&object, quantiles[q].name,
			 json_real(clock_seconds(histogram_percentile(sum, quantiles[q].percent))));
	return object;
}

static json_t *json_rates(const struct snapshot *snapshot, const struct rates *rates)
{
	json_t *object = json_object();
	for (int c = 0; c < COUNTER_COUNT; c++) {
		json_t *spans = json_object();
		for (int s = 0; s < RATE_SPANS; s++) {
			char name[16];
			snprintf(name, sizeof(name), "%us", rate_spans[s]);
			double rate = rate_of(rates, snapshot, (enum counter)c, rate_spans[s]);
			json_put(&spans, name, json_real(rate));
		}
		json_put(&object, counter_metrics[c].name, spans);
	}
	return object;
}

static json_t *json_listeners(const struct snapshot *snapshot)
{
	json_t *array = json_array();
	for (size_t i = 0; i < snapshot->listener_count; i++) {
		const struct listener_sum *sum = &snapshot->listener[i];
		json_t *object = json_object();
		json_put(&object, "listener", json_string(sum->label));
		for (int m = 0; m < LISTENER_COUNT; m++)
			json_put(&object, listener_metrics[m].name,
				 json_value(listener_metrics[m].unit, sum->value[m]));
		if (json_array_append_new(array, object) != 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *render_json(const struct snapshot *snapshot, const struct rates *rates)
{
	json_t *object = json_object();
	json_put(&object, "schema", json_integer(1));
	json_put(&object, "version", json_string(ECHOD_VERSION));
	json_put(&object, "pid", json_integer(getpid()));
	for (int g = 0; g < GAUGE_COUNT; g++)
		json_put(&object, gauge_metrics[g].name,
			 json_value(gauge_metrics[g].unit, snapshot->gauge[g]));
	for (int c = 0; c < COUNTER_COUNT; c++)
		json_put(&object, counter_metrics[c].name,
			 json_value(counter_metrics[c].unit, snapshot->counter[c]));
	for (int h = 0; h < HISTOGRAM_COUNT; h++)
		json_put(&object, histogram_metrics[h].name,
			 json_histogram(&snapshot->histogram[h]));
	json_put(&object, "listeners", json_listeners(snapshot));
	json_put(&object, "rates", json_rates(snapshot, rates));
	return object;
}

#define NAME_SIZE 64

// The rule: `echod_`, the name, and for a counter `_total`. The exceptions: Prometheus has fixed
// names for the start time and the CPU time of a process.
static const char *prometheus_name(const struct metric *metric, const char *type,
				   char name[static NAME_SIZE])
{
	bool is_process = metric == &gauge_metrics[GAUGE_start_time_seconds] ||
			  metric == &counter_metrics[COUNTER_cpu_seconds];
	snprintf(name, NAME_SIZE, "%s%s%s", is_process ? "process_" : "echod_", metric->name,
		 strcmp(type, "counter") == 0 ? "_total" : "");
	return name;
}

// OpenMetrics names a family of counters, or of facts, without the suffix of its samples.
static void prometheus_head(FILE *out, bool openmetrics, const char *name, const char *type,
			    const char *help)
{
	size_t length = strlen(name);
	if (openmetrics && strcmp(type, "counter") == 0)
		length -= strlen("_total");
	if (openmetrics && strcmp(type, "info") == 0)
		length -= strlen("_info");
	fprintf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)length, name, help, (int)length, name,
		type);
}

static void prometheus_value(FILE *out, bool openmetrics, const struct metric *metric,
			     const char *type, uint64_t value)
{
	char name[NAME_SIZE];
	if (value == STATS_UNKNOWN)
		return;
	prometheus_head(out, openmetrics, prometheus_name(metric, type, name), type, metric->help);
	fprintf(out, "%s ", name);
	print_value(out, 0, metric->unit, value, 9);
	fputc('\n', out);
}

// The limits are the powers of four from 1 us (2^10 ns) to 68 s (2^36 ns). They are limits of our
// own buckets, so the counts are exact.
static void prometheus_histogram(FILE *out, const struct metric *metric,
				 const struct histogram_sum *sum)
{
	char name[NAME_SIZE];
	prometheus_head(out, false, prometheus_name(metric, "histogram", name), "histogram",
			metric->help);
	for (unsigned bits = 10; bits <= 36; bits += 2) {
		uint64_t limit = UINT64_C(1) << bits;
		fprintf(out, "%s_bucket{le=\"", name);
		print_value(out, 0, UNIT_SECONDS, limit, 9);
		fprintf(out, "\"} %" PRIu64 "\n", histogram_count_below(sum, limit));
	}
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum->count);
	fprintf(out, "%s_sum ", name);
	print_value(out, 0, UNIT_SECONDS, sum->sum, 9);
	fprintf(out, "\n%s_count %" PRIu64 "\n", name, sum->count);
}

// Families are not interleaved, so the listeners are within each. Labels are quoted as in JSON.
static void prometheus_listeners(FILE *out, const struct snapshot *snapshot, bool openmetrics)
{
	for (int m = 0; m < LISTENER_COUNT; m++) {
		bool is_gauge = m == LISTENER_connections_open;
		char name[NAME_SIZE];
		snprintf(name, sizeof(name), "echod_listener_%s%s", listener_metrics[m].name,
			 is_gauge ? "" : "_total");
		prometheus_head(out, openmetrics, name, is_gauge ? "gauge" : "counter",
				listener_metrics[m].help);
		for (size_t i = 0; i < snapshot->listener_count; i++) {
			fprintf(out, "%s{listener=\"", name);
			for (const char *c = snapshot->listener[i].label; *c; c++)
				fprintf(out, "%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
			fprintf(out, "\"} %" PRIu64 "\n", snapshot->listener[i].value[m]);
		}
	}
}

void render_prometheus(FILE *out, const struct snapshot *snapshot, bool openmetrics)
{
	prometheus_head(out, openmetrics, "echod_build_info", openmetrics ? "info" : "gauge",
			"1, with the version of the server");
	fprintf(out, "echod_build_info{version=\"" ECHOD_VERSION "\"} 1\n");
	for (int g = 0; g < GAUGE_COUNT; g++)
		prometheus_value(out, openmetrics, &gauge_metrics[g], "gauge", snapshot->gauge[g]);
	for (int c = 0; c < COUNTER_COUNT; c++)
		prometheus_value(out, openmetrics, &counter_metrics[c], "counter",
				 snapshot->counter[c]);
	for (int h = 0; h < HISTOGRAM_COUNT; h++)
		prometheus_histogram(out, &histogram_metrics[h], &snapshot->histogram[h]);
	prometheus_listeners(out, snapshot, openmetrics);
	if (openmetrics)
		fputs("# EOF\n", out);
}
