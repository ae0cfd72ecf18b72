// Reading a result. A file comes from the user: nothing in it is believed before it is checked.
#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "formats.h"
#include "merge.h"

#define SECONDS_MAX 1e9

// Checks that `value`, called `name`, has the type of `example`, and that no number is negative; so
// must each member that the example has, and each element of a list. JSON has one kind of number:
// 19200, 19200.0 and 1.92e4 are the same. NOLINTNEXTLINE(misc-no-recursion): as deep as the example
static int check(const char *name, const json_t *value, const json_t *example,
		 struct echod_error *why)
{
	static const char *const wrong[] = {
		[JSON_OBJECT] = "not an object",
		[JSON_ARRAY] = "not a list",
		[JSON_STRING] = "not a string",
		[JSON_INTEGER] = "not a whole number from 0 to 2^53",
		[JSON_REAL] = "not a time in seconds",
	};
	json_type type = json_typeof(example);
	double number = json_is_number(value) ? json_number_value(value) : -1;
	double most = type == JSON_REAL ? SECONDS_MAX : (double)UNITS_EXACT_MAX;
	bool right = value && json_typeof(value) == type;
	const char *key;
	const json_t *member;
	size_t i;
	if (json_is_number(example))
		right = number >= 0 && number <= most &&
			(type == JSON_REAL || number == trunc(number));
	if (!right)
		return error_set(why, ECHOD_ERROR_USAGE, "'%s' is %s", name,
				 value ? wrong[type] : "missing");
	json_object_foreach((json_t *)example, key, member)
	{
		if (check(key, json_object_get(value, key), member, why) != 0)
			return -1;
	}
	json_array_foreach(value, i, member)
	{
		if (check(name, member, json_array_get(example, 0), why) != 0)
			return -1;
	}
	return 0;
}

static int take_histogram(const json_t *histograms, const char *name, struct hdr *hdr,
			  struct echod_error *why)
{
	const json_t *object = json_object_get(histograms, name);
	uint64_t count = result_count(object, "count");
	uint64_t min = result_count(object, "min"), max = result_count(object, "max");
	struct echod_error error;
	if (hdr_v2_add(hdr, json_string_value(json_object_get(object, "hdr_v2")), &error) != 0)
		return error_set(why, ECHOD_ERROR_USAGE, "'%s': %s", name, error.message);
	if (count != hdr->count || hdr_index(max) != hdr_index(hdr->max) ||
	    (count && hdr_index(min) != hdr_index(hdr->min)))
		return error_set(why, ECHOD_ERROR_USAGE, "'%s' contradicts itself", name);
	hdr->sum = (hdr_sum)result_count(object, "sum_s") * NS_PER_S;
	hdr->sum += result_count(object, "sum_ns");
	hdr->max = max;
	hdr->min = count ? min : UINT64_MAX;
	return 0;
}

// Checks `ledger` of each entry of the evidence that has one.
static int check_ledgers(const struct result *result, struct echod_error *why)
{
	json_t *example = json_pack(
		"{s:i, s:i, s:i, s:i, s:[{s:s, s:i, s:i, s:{}}], s:[{s:i, s:s, s:i, s:i, s:{}}], "
		"s:[s]}",
		"connections", 0, "unknown", 0, "failed", 0, "failed_found", 0, "receipts", "fault",
		"", "injected", 0, "connections", 0, "seen", "errors", "connection", 0, "error", "",
		"sent", 0, "received", 0, "server", "says", "");
	const json_t *evidence = result_get(result, "evidence"), *entry, *ledger;
	int status = example ? 0 : -1;
	for (size_t i = 0; status == 0 && (entry = merge_entry(evidence, i)); i++) {
		if ((ledger = json_object_get(entry, "ledger")))
			status = check("ledger", ledger, example, why);
	}
	json_decref(example);
	return status;
}

static int check_all(struct result *result, const json_t *example, struct echod_error *why)
{
	const json_t *histogram = result_get(result, "histogram");
	size_t runs = json_array_size(result_get(result, "runs")), i;
	const json_t *member, *count = json_object_get(example, "faults_found");
	const char *name;
	// It may be left out where there is one run only.
	json_array_foreach(result_get(result, "faults"), i, member)
	{
		if (!json_object_get(member, "run"))
			json_object_set_new((json_t *)member, "run", json_integer(0));
	}
	if (check("it", result->json, example, why) != 0 || check_ledgers(result, why) != 0)
		return -1;
	if (runs == 0)
		return error_set(why, ECHOD_ERROR_USAGE, "'runs' is empty");
	json_object_foreach(result_get(result, "errors"), name, member)
	{
		if (check(name, member, count, why) != 0)
			return -1;
	}
	json_array_foreach(result_get(result, "faults"), i, member)
	{
		if (result_count(member, "run") >= runs)
			return error_set(why, ECHOD_ERROR_USAGE,
					 "a fault is of a run that cannot be");
	}
	name = result_verdict(result);
	if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != strlen(name))
		return error_set(why, ECHOD_ERROR_USAGE, "'verdict' is none");
	return take_histogram(histogram, "latency", result->latency, why) |
	       take_histogram(histogram, "uncorrected", result->uncorrected, why);
}

// Skips the byte-order mark with which some programs begin a file.
static void skip_mark(FILE *file)
{
	int first = getc(file);
	if (first != 0xEF || getc(file) != 0xBB || getc(file) != 0xBF)
		ungetc(first, file);
}

static json_t *load(const char *path, struct echod_error *error)
{
	FILE *file = fopen(path, "re");
	if (!file) {
		error_set(error, ECHOD_ERROR_USAGE, "cannot read '%.200s': %s", path,
			  error_text(errno));
		return NULL;
	}
	json_error_t why;
	skip_mark(file);
	json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
	if (!root && ferror(file)) // as of a directory
		error_set(error, ECHOD_ERROR_USAGE, "cannot read '%.200s': %s", path,
			  error_text(errno));
	else if (!root)
		error_set(error, ECHOD_ERROR_USAGE, "'%.160s' is no JSON: line %d: %.120s", path,
			  why.line, why.text);
	fclose(file);
	return root;
}

// A result with one member in each list.
static int make_example(struct result *result)
{
	const struct result_interval interval = {0};
	const struct fault fault = {.kind = FAULT_LOST};
	if (result_init(result) != 0)
		return -1;
	return result_add_run(result, &(struct result_run){0}) |
	       result_add_fault(result, "", &fault) |
	       json_array_append_new(result_get(result, "intervals"),
				     result_pack_interval(&interval, result->latency));
}

int result_read(struct result *result, const char *path, struct echod_error *error)
{
	struct echod_error why;
	*result = (struct result){0};
	json_t *root = load(path, error);
	if (!root)
		return -1;
	int status = make_example(result);
	json_t *example = result->json;
	result->json = root;
	const json_t *schema = result_get(result, "schema");
	if (status != 0)
		error_set(error, ECHOD_ERROR_SYSTEM, "out of memory");
	else if (json_is_number(schema) && json_number_value(schema) != RESULT_SCHEMA)
		status = error_set(error, ECHOD_ERROR_USAGE,
				   "'%.160s' has schema %g, and this echoload reads schema %d only",
				   path, json_number_value(schema), RESULT_SCHEMA);
	else if (check_all(result, example, &why) != 0)
		status = error_set(error, ECHOD_ERROR_USAGE,
				   "'%.160s' is no result of echoload: %.200s", path, why.message);
	json_decref(example);
	return status;
}
