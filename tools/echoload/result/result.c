#include "result.h"

#include <math.h>
#include <stdlib.h>

#include "atomic_file.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "formats.h"

const struct measure_row measures[MEASURES] = {
	[MEASURE_RATE] = {"rate", "messages_per_second", "Messages a second", 0, 1},
	[MEASURE_P50] = {"p50", "p50_ns", "Latency, p50", 50, 100},
	[MEASURE_P99] = {"p99", "p99_ns", "Latency, p99", 99, 1000},
	[MEASURE_CPU] = {"cpu", "cpu_ns", "CPU time of the server for a message", 0, 1},
};

// Functions that make JSON return NULL when there is no memory, and take a NULL from those below
// them: json_pack, json_array_append_new and json_object_set_new do.

static json_int_t integer(uint64_t count)
{
	return (json_int_t)count;
}

// All of a histogram. The sum is in two parts, as it may take more than 64 bits.
static json_t *pack_histogram(const struct hdr *hdr)
{
	char *text = hdr_v2_encode(hdr);
	json_t *histogram = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:o}", "count", integer(hdr->count), "sum_s",
		integer((uint64_t)(hdr->sum / NS_PER_S)), "sum_ns",
		integer((uint64_t)(hdr->sum % NS_PER_S)), "min", integer(hdr->count ? hdr->min : 0),
		"max", integer(hdr->max), "hdr_v2", text ? json_text(text) : NULL);
	free(text);
	return histogram;
}

static json_t *pack_histograms(const struct result *result)
{
	return json_pack("{s:o, s:o}", "latency", pack_histogram(result->latency), "uncorrected",
			 pack_histogram(result->uncorrected));
}

int result_init(struct result *result)
{
	*result = (struct result){.latency = calloc(2, sizeof(*result->latency))};
	if (!result->latency)
		return -1;
	result->uncorrected = result->latency + 1;
	hdr_reset(result->latency);
	hdr_reset(result->uncorrected);
	result->json = json_pack(
		"{s:i, s:i, s:[], s:i, s:{}, s:{}, s:s, s:{}, s:{}, s:{}, s:[], s:[], s:o}",
		"schema", RESULT_SCHEMA, "bytes_verified", 0, "faults", "faults_found", 0, "errors",
		"first_errors", "verdict", "", "evidence", "configuration", "machine", "runs",
		"intervals", "histogram", pack_histograms(result));
	return result->json ? 0 : -1;
}

void result_free(struct result *result)
{
	json_decref(result->json);
	free(result->latency);
	*result = (struct result){0};
}

json_t *result_get(const struct result *result, const char *name)
{
	return json_object_get(result->json, name);
}

uint64_t result_count(const json_t *object, const char *name)
{
	double number = json_number_value(json_object_get(object, name));
	return number > 0 && number < 0x1p64 ? (uint64_t)number : 0;
}

uint64_t result_time(const json_t *object, const char *name)
{
	return (uint64_t)llround(json_number_value(json_object_get(object, name)) * 1e9);
}

int result_set_count(json_t *object, const char *name, uint64_t count)
{
	return json_object_set_new(object, name, json_integer(integer(count)));
}

int result_add_run(struct result *result, const struct result_run *run)
{
	return json_array_append_new(
		result_get(result, "runs"),
		json_pack("{s:I, s:I, s:f, s:I, s:I}", "run", integer(run->number), "started_us",
			  integer(run->started / NS_PER_US), "seconds", clock_seconds(run->lasted),
			  "messages", integer(run->messages), "bytes", integer(run->bytes)));
}

json_t *result_pack_interval(const struct result_interval *interval, const struct hdr *latency)
{
	char *text = hdr_v2_encode(latency);
	json_t *json = json_pack(
		"{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:o}", "time", clock_seconds(interval->from),
		"seconds", clock_seconds(interval->length), "messages", integer(interval->messages),
		"bytes", integer(interval->bytes), "p50", integer(hdr_percentile(latency, 50)),
		"p99", integer(hdr_percentile(latency, 99)), "errors", integer(interval->errors),
		"hdr_v2", text ? json_text(text) : NULL);
	free(text);
	return json;
}

int result_add_fault(struct result *result, const char *target, const struct fault *fault)
{
	json_t *faults = result_get(result, "faults");
	bool flipped = fault->kind == FAULT_FLIPPED, crossed = fault->kind == FAULT_CROSSED;
	int status = result_set_count(result->json, "faults_found",
				      result_count(result->json, "faults_found") + 1);
	if (json_array_size(faults) == RESULT_FAULTS)
		return status;
	json_t *added = json_pack(
		"{s:s, s:I, s:I, s:I, s:o, s:i, s:o*, s:o*, s:o*}", "kind",
		fault_kind_names[fault->kind], "connection", integer(fault->connection), "offset",
		integer(fault->offset), "length", integer(fault->length), "target",
		json_text(target), "run", 0, "bits", flipped ? json_integer(fault->bits) : NULL,
		"other", crossed ? json_integer(fault->other) : NULL, "other_offset",
		crossed ? json_integer(integer(fault->other_offset)) : NULL);
	return status | json_array_append_new(faults, added);
}

int result_add_error(struct result *result, const char *name, uint64_t count, const char *first)
{
	json_t *errors = result_get(result, "errors"), *firsts = result_get(result, "first_errors");
	if (count == 0)
		return 0;
	int status = result_set_count(errors, name, result_count(errors, name) + count);
	if (!json_object_get(firsts, name))
		status |= json_object_set_new(firsts, name, json_text(first ? first : ""));
	return status;
}

int result_set_verdict(struct result *result, const char *verdict)
{
	return json_object_set_new(result->json, "verdict", json_text(verdict));
}

const char *result_verdict(const struct result *result)
{
	return json_string_value(result_get(result, "verdict"));
}

uint64_t result_total(const struct result *result, const char *name)
{
	const json_t *runs = result_get(result, "runs");
	uint64_t sum = 0;
	for (size_t i = 0; i < json_array_size(runs); i++)
		sum += result_count(json_array_get(runs, i), name);
	return sum;
}

uint64_t result_errors(const struct result *result)
{
	json_t *errors = result_get(result, "errors");
	uint64_t sum = 0;
	for (void *at = json_object_iter(errors); at; at = json_object_iter_next(errors, at))
		sum += result_count(errors, json_object_iter_key(at));
	return sum;
}

static uint64_t start_of(const json_t *run)
{
	return result_count(run, "started_us") * NS_PER_US;
}

static uint64_t end_of(const json_t *run)
{
	return start_of(run) + result_time(run, "seconds");
}

// Of the runs that end after `time` the one that began first, NULL: none does.
static const json_t *next_run(const struct result *result, uint64_t time)
{
	const json_t *next = NULL;
	size_t i;
	json_t *run;
	json_array_foreach(result_get(result, "runs"), i, run)
	{
		if (end_of(run) > time && (!next || start_of(run) < start_of(next)))
			next = run;
	}
	return next;
}

uint64_t result_started(const struct result *result)
{
	const json_t *first = next_run(result, 0);
	return first ? start_of(first) : 0;
}

uint64_t result_lasted(const struct result *result)
{
	uint64_t lasted = 0, counted = 0; // the latter: up to this time
	const json_t *run;
	while ((run = next_run(result, counted))) {
		lasted += end_of(run) - (start_of(run) > counted ? start_of(run) : counted);
		counted = end_of(run);
	}
	return lasted;
}

double result_rate(const struct result *result, const char *name)
{
	uint64_t lasted = result_lasted(result);
	return lasted ? (double)result_total(result, name) / clock_seconds(lasted) : 0.0;
}

static json_t *pack_latency(const struct hdr *hdr)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "p50",
		integer(hdr_percentile(hdr, 50.0)), "p90", integer(hdr_percentile(hdr, 90.0)),
		"p99", integer(hdr_percentile(hdr, 99.0)), "p99_9",
		integer(hdr_percentile(hdr, 99.9)), "p99_99", integer(hdr_percentile(hdr, 99.99)),
		"min", integer(hdr->count ? hdr->min : 0), "mean", hdr_mean(hdr), "max",
		integer(hdr->max));
}

int result_write(struct result *result, const char *path, struct echod_error *error)
{
	json_t *json = json_pack(
		"{s:i, s:I, s:f, s:I, s:f, s:f, s:o, s:o}", "schema", RESULT_SCHEMA, "messages",
		integer(result_total(result, "messages")), "messages_per_second",
		result_rate(result, "messages"), "bytes", integer(result_total(result, "bytes")),
		"bytes_per_second", result_rate(result, "bytes"), "seconds",
		clock_seconds(result_lasted(result)), "latency_ns", pack_latency(result->latency),
		"latency_uncorrected_ns", pack_latency(result->uncorrected));
	int status = json_object_set_new(result->json, "histogram", pack_histograms(result)) |
		     json_object_update_missing(json, result->json);
	json_decref(result->json);
	result->json = json;
	return result_write_json(status == 0 ? json_incref(json) : NULL, path, error);
}

static int fill(FILE *file, const void *json)
{
	// Integers are written exactly; 15 digits are what a double gives back unchanged.
	size_t format = JSON_INDENT(2) | JSON_REAL_PRECISION(15);
	return json_dumpf(json, file, format) == 0 && fputc('\n', file) == '\n' ? 0 : -1;
}

int result_write_json(json_t *json, const char *path, struct echod_error *error)
{
	if (!json)
		return error_set(error, ECHOD_ERROR_SYSTEM, "out of memory");
	int status = atomic_file_write(path, fill, json, error);
	json_decref(json);
	return status;
}
