// Reading a result. A file is what a user gives: nothing in it is believed before it has been
// looked at. One thread each.
#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "formats.h"

#define SECONDS_MAX 1e9

// The first thing that is wrong ends the reading; what is looked at after it may be NULL.
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

static json_t *take(struct reading *reading, const json_t *object, const char *key, json_type type)
{
	static const char *const wrong[] = {
		[JSON_OBJECT] = "not an object",
		[JSON_ARRAY] = "not a list",
		[JSON_STRING] = "not a string",
		[JSON_INTEGER] = "not a whole number",
	};
	json_t *value = json_object_get(object, key);
	if (!value || json_typeof(value) != type)
		fail(reading, "'%s' is %s", key, value ? wrong[type] : "missing");
	else if (json_integer_value(value) < 0)
		fail(reading, "'%s' is negative", key);
	return reading->failed ? NULL : value;
}

// Looks at the members of an object that are of one type; `keys` ends with NULL.
static void check(struct reading *reading, const json_t *object, json_type type,
		  const char *const *keys)
{
	for (; *keys; keys++)
		take(reading, object, *keys, type);
}

static void check_time(struct reading *reading, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	double seconds = json_number_value(value);
	if (!json_is_number(value) || seconds < 0.0 || seconds > SECONDS_MAX)
		fail(reading, "'%s' is not a time in seconds", key);
}

static void take_histogram(struct reading *reading, const json_t *histograms, const char *key,
			   struct hdr *hdr)
{
	static const char *const counts[] = {"count", "min", "max", "sum_s", "sum_ns", NULL};
	const json_t *object = take(reading, histograms, key, JSON_OBJECT);
	const char *text = json_string_value(take(reading, object, "hdr_v2", JSON_STRING));
	struct error error;
	check(reading, object, JSON_INTEGER, counts);
	if (reading->failed)
		return;
	uint64_t count = result_count(object, "count");
	uint64_t min = result_count(object, "min"), max = result_count(object, "max");
	if (hdr_v2_decode(hdr, text, &error) != 0)
		fail(reading, "'%s': %s", key, error.message);
	if (count != hdr->count || hdr_index(max) != hdr_index(hdr->max) ||
	    (count && hdr_index(min) != hdr_index(hdr->min)))
		fail(reading, "'%s' contradicts itself", key);
	hdr->sum = (hdr_sum)result_count(object, "sum_s") * NS_PER_S;
	hdr->sum += result_count(object, "sum_ns");
	hdr->max = max;
	hdr->min = count ? min : UINT64_MAX;
}

static void check_run(struct reading *reading, const json_t *run)
{
	static const char *const counts[] = {"run", "started_us", "messages", "bytes", NULL};
	check(reading, run, JSON_INTEGER, counts);
	check_time(reading, run, "seconds");
	if (result_count(run, "started_us") > UNITS_EXACT_MAX)
		fail(reading, "'started_us' is no time");
}

static void check_interval(struct reading *reading, const json_t *interval)
{
	static const char *const counts[] = {"messages", "bytes", "errors", "p50", "p99", NULL};
	check(reading, interval, JSON_INTEGER, counts);
	check_time(reading, interval, "time");
	check_time(reading, interval, "seconds");
	take(reading, interval, "hdr_v2", JSON_STRING);
}

static void check_fault(struct reading *reading, const json_t *fault)
{
	static const char *const counts[] = {"connection", "offset", "length", NULL};
	const char *name = json_string_value(take(reading, fault, "kind", JSON_STRING));
	enum fault_kind kind = 0;
	check(reading, fault, JSON_INTEGER, counts);
	while (name && kind < FAULT_KINDS && strcmp(fault_kind_name(kind), name) != 0)
		kind++;
	if (kind == FAULT_KINDS)
		fail(reading, "'%.32s' is no kind of fault", name);
}

// Looks at each member of a list.
static const json_t *check_list(struct reading *reading, const json_t *root, const char *key,
				void (*check_one)(struct reading *, const json_t *))
{
	const json_t *list = take(reading, root, key, JSON_ARRAY);
	for (size_t i = 0; i < json_array_size(list) && !reading->failed; i++)
		check_one(reading, json_array_get(list, i));
	return list;
}

static void check_all(struct reading *reading, struct result *result)
{
	static const char *const counts[] = {"faults_found", "bytes_verified", NULL};
	static const char *const objects[] = {"errors",	 "evidence",  "configuration",
					      "machine", "histogram", NULL};
	const json_t *root = result->json, *histogram = json_object_get(root, "histogram");
	const char *name;
	json_t *member;
	size_t i;
	const json_t *runs = check_list(reading, root, "runs", check_run);
	check_list(reading, root, "intervals", check_interval);
	json_t *faults = (json_t *)check_list(reading, root, "faults", check_fault);
	json_array_foreach(faults, i, member)
	{
		if (result_count(member, "connection") > UINT32_MAX ||
		    result_count(member, "run") >= json_array_size(runs))
			fail(reading, "a fault is of a connection or run that cannot be");
	}
	check(reading, root, JSON_INTEGER, counts);
	check(reading, root, JSON_OBJECT, objects);
	json_t *errors = result_get(result, "errors");
	json_object_foreach(errors, name, member)
	{
		take(reading, errors, name, JSON_INTEGER);
	}
	name = json_string_value(take(reading, root, "verdict", JSON_STRING));
	if (name && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != strlen(name))
		fail(reading, "'verdict' is none");
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
	json_int_t schema = json_integer_value(take(&reading, root, "schema", JSON_INTEGER));
	if (!reading.failed && schema != RESULT_SCHEMA) {
		reading.failed = true;
		error_set(error, ERROR_USAGE,
			  "'%.160s' has schema %lld, and this echoload reads schema %d only", path,
			  (long long)schema, RESULT_SCHEMA);
	}
	if (!reading.failed && result_init(result) != 0) {
		reading.failed = true;
		error_set(error, ERROR_SYSTEM, "out of memory");
	}
	json_decref(result->json);
	result->json = root;
	if (!reading.failed)
		check_all(&reading, result);
	return reading.failed ? -1 : 0;
}
