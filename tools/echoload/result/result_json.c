// The result of a run as JSON: writing it. result_read.c reads it. One thread each.
#include "result.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "hdr_v2.h"
#include "replacement.h"

// Integers are written exactly; 15 digits are what a double gives back unchanged.
#define FORMAT (JSON_INDENT(2) | JSON_REAL_PRECISION(15))

// Every pack_… returns NULL when there is no memory, and takes a NULL from those below it:
// json_pack and json_array_append_new do.

static json_int_t integer(uint64_t count)
{
	return (json_int_t)count;
}

static json_t *pack_list(const struct result *result, size_t count,
			 json_t *(*pack)(const struct result *result, size_t index))
{
	json_t *list = json_array();
	for (size_t i = 0; i < count && list; i++) {
		if (json_array_append_new(list, pack(result, i)) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
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

static json_t *pack_run(const struct result *result, size_t index)
{
	const struct result_run *run = &result->runs[index];
	return json_pack("{s:I, s:I, s:f, s:I, s:I}", "run", integer(run->number), "started_us",
			 integer(run->started / NS_PER_US), "seconds", clock_seconds(run->lasted),
			 "messages", integer(run->messages), "bytes", integer(run->bytes));
}

static json_t *pack_interval(const struct result *result, size_t index)
{
	const struct result_interval *interval = &result->intervals[index];
	return json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:s}", "time",
			 clock_seconds(interval->from), "seconds", clock_seconds(interval->length),
			 "messages", integer(interval->messages), "bytes", integer(interval->bytes),
			 "p50", integer(interval->p50), "p99", integer(interval->p99), "errors",
			 integer(interval->errors), "hdr_v2", interval->latency);
}

static json_t *pack_fault(const struct result *result, size_t index)
{
	const struct fault *fault = &result->faults[index].fault;
	json_t *packed = json_pack("{s:s, s:I, s:I, s:I}", "kind", fault_kind_name(fault->kind),
				   "connection", integer(fault->connection), "offset",
				   integer(fault->offset), "length", integer(fault->length));
	int status = packed ? 0 : -1;
	if (*result->faults[index].target)
		status |= json_object_set_new(packed, "target",
					      json_text(result->faults[index].target));
	if (fault->kind == FAULT_FLIPPED)
		status |= json_object_set_new(packed, "bits", json_integer(fault->bits));
	if (fault->kind == FAULT_CROSSED) {
		status |= json_object_set_new(packed, "other", json_integer(fault->other));
		status |= json_object_set_new(packed, "other_offset",
					      json_integer(integer(fault->other_offset)));
	}
	if (result->run_count > 1)
		status |= json_object_set_new(packed, "run",
					      json_integer(integer(result->faults[index].run)));
	if (status == 0)
		return packed;
	json_decref(packed);
	return NULL;
}

// How many of each name; or, with `first`, what is known of the first of each.
static json_t *pack_errors(const struct result *result, bool first)
{
	json_t *errors = json_object();
	for (size_t i = 0; i < result->error_count && errors; i++) {
		const struct result_error *error = &result->errors[i];
		json_t *value =
			first ? json_text(error->first) : json_integer(integer(error->count));
		if (json_object_set_new(errors, error->name, value) != 0) {
			json_decref(errors);
			errors = NULL;
		}
	}
	return errors;
}

static json_t *pack(const struct result *result)
{
	return json_pack(
		"{s:i, s:I, s:f, s:I, s:f, s:f, s:o, s:o, s:I, s:o, s:I, s:o, s:o, s:s, s:O, s:O, "
		"s:O, s:o, s:o, s:{s:o, s:o}}",
		"schema", RESULT_SCHEMA, "messages", integer(result->messages),
		"messages_per_second", result_message_rate(result), "bytes", integer(result->bytes),
		"bytes_per_second", result_byte_rate(result), "seconds",
		clock_seconds(result_lasted(result)), "latency_ns", pack_latency(result->latency),
		"latency_uncorrected_ns", pack_latency(result->uncorrected), "bytes_verified",
		integer(result->bytes_verified), "faults",
		pack_list(result, result->fault_count, pack_fault), "faults_found",
		integer(result->faults_found), "errors", pack_errors(result, false), "first_errors",
		pack_errors(result, true), "verdict", result->verdict, "evidence", result->evidence,
		"configuration", result->configuration, "machine", result->machine, "runs",
		pack_list(result, result->run_count, pack_run), "intervals",
		pack_list(result, result->interval_count, pack_interval), "histogram", "latency",
		pack_histogram(result->latency), "uncorrected",
		pack_histogram(result->uncorrected));
}

int result_write_json(json_t *json, const char *path, struct error *error)
{
	struct replacement output;
	if (!json)
		return error_set(error, ERROR_SYSTEM, "out of memory");
	int status = replacement_open(&output, path);
	if (status == 0) {
		bool complete = json_dumpf(json, output.file, FORMAT) == 0 &&
				fputc('\n', output.file) == '\n';
		status = replacement_close(&output, complete);
	}
	json_decref(json);
	if (status == 0)
		return 0;
	bool standard = strcmp(path, "-") == 0;
	return error_set(error, ERROR_SYSTEM, "cannot write %s%.200s%s: %s", standard ? "to " : "'",
			 standard ? "standard output" : path, standard ? "" : "'",
			 error_text(errno));
}

int result_write(const struct result *result, const char *path, struct error *error)
{
	return result_write_json(pack(result), path, error);
}
