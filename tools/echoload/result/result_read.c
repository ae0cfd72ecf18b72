// The result of a run as JSON: reading it. A file is what a user gives: nothing in it is believed
// before it has been looked at. One thread each.
#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "hdr_v2.h"

#define SECONDS_MAX 1e9

// The first thing that is wrong ends the reading; what is taken after it is 0, NULL or empty.
struct reading {
	const char *path;
	struct error *error;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void fail(struct reading *reading, const char *format,
						       ...)
{
	if (reading->failed)
		return;
	reading->failed = true;
	char what[200];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	error_set(reading->error, ERROR_USAGE, "'%.160s' is no result of echoload: %s",
		  reading->path, what);
}

static void fail_memory(struct reading *reading)
{
	if (!reading->failed)
		error_set(reading->error, ERROR_SYSTEM, "out of memory");
	reading->failed = true;
}

static json_t *take(struct reading *reading, const json_t *object, const char *key, json_type type)
{
	static const char *const wrong[] = {
		[JSON_OBJECT] = "not an object",
		[JSON_ARRAY] = "not a list",
		[JSON_STRING] = "not a string",
		[JSON_INTEGER] = "not a whole number",
	};
	json_t *value = json_object_get(object, key);
	if (value && json_typeof(value) == type)
		return value;
	fail(reading, "'%s' is %s", key, value ? wrong[type] : "missing");
	return NULL;
}

static uint64_t take_count(struct reading *reading, const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(take(reading, object, key, JSON_INTEGER));
	if (value < 0)
		fail(reading, "'%s' is negative", key);
	return value < 0 ? 0 : (uint64_t)value;
}

// Seconds, as nanoseconds.
static uint64_t take_time(struct reading *reading, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	double seconds = json_number_value(value);
	if (json_is_number(value) && seconds >= 0.0 && seconds <= SECONDS_MAX)
		return (uint64_t)llround(seconds * (double)NS_PER_S);
	fail(reading, "'%s' is not a time in seconds", key);
	return 0;
}

static const char *take_text(struct reading *reading, const json_t *object, const char *key)
{
	const char *text = json_string_value(take(reading, object, key, JSON_STRING));
	return text ? text : "";
}

static void take_object(struct reading *reading, const json_t *object, const char *key, json_t *to)
{
	json_object_update(to, take(reading, object, key, JSON_OBJECT));
}

static void take_histogram(struct reading *reading, const json_t *histograms, const char *key,
			   struct hdr *hdr)
{
	const json_t *object = take(reading, histograms, key, JSON_OBJECT);
	const char *text = take_text(reading, object, "hdr_v2");
	uint64_t count = take_count(reading, object, "count");
	uint64_t min = take_count(reading, object, "min");
	uint64_t max = take_count(reading, object, "max");
	struct error error;
	if (!reading->failed && hdr_v2_decode(hdr, text, &error) != 0) {
		if (error.kind == ERROR_SYSTEM)
			fail_memory(reading);
		fail(reading, "'%s': %s", key, error.message);
	}
	if (count != hdr->count || hdr_index(max) != hdr_index(hdr->max) ||
	    (count && hdr_index(min) != hdr_index(hdr->min)))
		fail(reading, "'%s' contradicts itself", key);
	hdr->sum = (hdr_sum)take_count(reading, object, "sum_s") * NS_PER_S;
	hdr->sum += take_count(reading, object, "sum_ns");
	hdr->max = max;
	hdr->min = count ? min : UINT64_MAX;
}

static void take_run(struct reading *reading, struct result *result, const json_t *object)
{
	uint64_t started = take_count(reading, object, "started_us");
	if (started > UNITS_EXACT_MAX)
		fail(reading, "'started_us' is no time");
	struct result_run run = {
		.number = take_count(reading, object, "run"),
		.started = started * NS_PER_US,
		.lasted = take_time(reading, object, "seconds"),
		.messages = take_count(reading, object, "messages"),
		.bytes = take_count(reading, object, "bytes"),
	};
	if (!reading->failed && result_add_run(result, &run) != 0)
		fail_memory(reading);
}

static void take_interval(struct reading *reading, struct result *result, const json_t *object)
{
	struct result_interval interval = {
		.from = take_time(reading, object, "time"),
		.length = take_time(reading, object, "seconds"),
		.messages = take_count(reading, object, "messages"),
		.bytes = take_count(reading, object, "bytes"),
		.errors = take_count(reading, object, "errors"),
		.p50 = take_count(reading, object, "p50"),
		.p99 = take_count(reading, object, "p99"),
	};
	const char *text = take_text(reading, object, "hdr_v2");
	if (reading->failed)
		return;
	interval.latency = strdup(text);
	if (result_take_interval(result, &interval) != 0)
		fail_memory(reading);
}

static void take_fault(struct reading *reading, struct result *result, const json_t *object)
{
	const char *name = take_text(reading, object, "kind");
	unsigned kind = 0;
	while (kind < FAULT_KINDS && strcmp(fault_kind_name((enum fault_kind)kind), name) != 0)
		kind++;
	uint64_t connection = take_count(reading, object, "connection");
	uint64_t run = (uint64_t)json_integer_value(json_object_get(object, "run"));
	if (kind == FAULT_KINDS)
		fail(reading, "'%.32s' is no kind of fault", name);
	else if (connection > UINT32_MAX || run >= result->run_count)
		fail(reading, "a fault is of a connection or run that cannot be");
	struct fault fault = {
		.kind = (enum fault_kind)kind,
		.connection = (uint32_t)connection,
		.offset = take_count(reading, object, "offset"),
		.length = take_count(reading, object, "length"),
		.bits = (uint8_t)json_integer_value(json_object_get(object, "bits")),
		.other = (uint32_t)json_integer_value(json_object_get(object, "other")),
		.other_offset =
			(uint64_t)json_integer_value(json_object_get(object, "other_offset")),
	};
	const char *target = json_string_value(json_object_get(object, "target"));
	if (!reading->failed &&
	    result_add_fault(result, (size_t)run, target ? target : "", &fault) != 0)
		fail_memory(reading);
}

static void take_list(struct reading *reading, struct result *result, const json_t *root,
		      const char *key,
		      void (*take_one)(struct reading *, struct result *, const json_t *))
{
	const json_t *list = take(reading, root, key, JSON_ARRAY);
	for (size_t i = 0; i < json_array_size(list) && !reading->failed; i++)
		take_one(reading, result, json_array_get(list, i));
}

static void take_errors(struct reading *reading, struct result *result, const json_t *root)
{
	json_t *errors = take(reading, root, "errors", JSON_OBJECT);
	const json_t *firsts = json_object_get(root, "first_errors");
	const char *name;
	json_t *value;
	json_object_foreach(errors, name, value)
	{
		const char *first = json_string_value(json_object_get(firsts, name));
		result_add_error(result, name, take_count(reading, errors, name), first);
	}
}

static void take_all(struct reading *reading, struct result *result, const json_t *root)
{
	take_list(reading, result, root, "runs", take_run);
	take_list(reading, result, root, "intervals", take_interval);
	take_list(reading, result, root, "faults", take_fault);
	result->faults_found = take_count(reading, root, "faults_found");
	result->bytes_verified = take_count(reading, root, "bytes_verified");
	take_errors(reading, result, root);
	result_set_verdict(result, take_text(reading, root, "verdict"));
	take_object(reading, root, "evidence", result->evidence);
	take_object(reading, root, "configuration", result->configuration);
	take_object(reading, root, "machine", result->machine);
	const json_t *histogram = take(reading, root, "histogram", JSON_OBJECT);
	take_histogram(reading, histogram, "latency", result->latency);
	take_histogram(reading, histogram, "uncorrected", result->uncorrected);
}

// JSON has one kind of number: 19200, 19200.0 and 1.92e4 are the same, and become the first.
// jansson bounds how deep values may nest. NOLINTNEXTLINE(misc-no-recursion)
static json_t *take_whole(json_t *value)
{
	const char *key;
	json_t *member;
	size_t index;
	json_object_foreach(value, key, member)
	{
		json_object_iter_set_new(value, json_object_key_to_iter(key),
					 take_whole(json_incref(member)));
	}
	json_array_foreach(value, index, member)
	{
		json_array_set_new(value, index, take_whole(json_incref(member)));
	}
	double number = json_real_value(value);
	if (!json_is_real(value) || fabs(number) > (double)UNITS_EXACT_MAX ||
	    number != trunc(number))
		return value;
	json_decref(value);
	return json_integer((json_int_t)number);
}

// Goes past the byte-order mark with which some programs begin a file.
static void skip_mark(FILE *file)
{
	int first = getc(file);
	if (first != 0xEF || getc(file) != 0xBB || getc(file) != 0xBF)
		ungetc(first, file);
}

static json_t *load(const char *path, struct error *error)
{
	FILE *file = fopen(path, "re");
	if (!file) {
		error_set(error, ERROR_USAGE, "cannot read '%.200s': %s", path, error_text(errno));
		return NULL;
	}
	json_error_t why;
	skip_mark(file);
	json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
	if (!root && ferror(file)) // as of a directory
		error_set(error, ERROR_USAGE, "cannot read '%.200s': %s", path, error_text(errno));
	else if (!root)
		error_set(error, ERROR_USAGE, "'%.160s' is no JSON: line %d: %.120s", path,
			  why.line, why.text);
	fclose(file);
	return root ? take_whole(root) : NULL;
}

int result_read(struct result *result, const char *path, struct error *error)
{
	struct reading reading = {.path = path, .error = error};
	*result = (struct result){0};
	json_t *root = load(path, error);
	if (!root)
		return -1;
	const json_t *schema = take(&reading, root, "schema", JSON_INTEGER);
	json_int_t number = json_integer_value(schema);
	if (!reading.failed && number != RESULT_SCHEMA) {
		reading.failed = true;
		error_set(error, ERROR_USAGE,
			  "'%.160s' has schema %lld, and this echoload reads schema %d only", path,
			  (long long)number, RESULT_SCHEMA);
	}
	if (!reading.failed && result_init(result) != 0)
		fail_memory(&reading);
	if (!reading.failed)
		take_all(&reading, result, root);
	json_decref(root);
	return reading.failed ? -1 : 0;
}
