#include "merge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "echoload/common/paths.h"
#include "formats.h"

// Members of the configuration that make the load, also those of the generator, as its own time is
// in every latency.
static const char *const load[] = {
	"mode",	   "connections", "pipeline",	      "sizes",		"visit",
	"linger",  "rate",	  "arrival",	      "verify",		"count",
	"threads", "spin",	  "duration_seconds", "warmup_seconds", "ramp_seconds",
};

json_t *merge_entry(const json_t *object, size_t index)
{
	json_t *runs = json_object_get(object, "runs");
	if (json_object_size(object) == 1 && json_is_array(runs))
		return json_array_get(runs, index);
	return index == 0 ? (json_t *)object : NULL;
}

// As json_equal, except that 1 and 1.0 are the same: JSON has one kind of number, and some programs
// read one and write the other. NOLINTNEXTLINE(misc-no-recursion): as deep as the values
static bool same(const json_t *left, const json_t *right)
{
	const char *name;
	json_t *member;
	size_t i;
	if (json_is_number(left) && json_is_number(right))
		return json_number_value(left) == json_number_value(right);
	if (json_object_size(left) != json_object_size(right) ||
	    json_array_size(left) != json_array_size(right))
		return false;
	json_object_foreach((json_t *)left, name, member)
	{
		if (!same(member, json_object_get(right, name)))
			return false;
	}
	json_array_foreach(left, i, member)
	{
		if (!same(member, json_array_get(right, i)))
			return false;
	}
	return json_is_object(left) || json_is_array(left) ? json_typeof(left) == json_typeof(right)
							   : json_equal(left, right);
}

// The first member in which two configurations differ; NULL: there is none.
static const char *difference(const json_t *left, const json_t *right)
{
	for (size_t i = 0; i < sizeof(load) / sizeof(load[0]); i++) {
		json_t *a = json_object_get(left, load[i]), *b = json_object_get(right, load[i]);
		if (a != b && !same(a, b))
			return load[i];
	}
	size_t targets = json_array_size(json_object_get(left, "targets"));
	return targets == json_array_size(json_object_get(right, "targets")) ? NULL : "targets";
}

static bool has(const json_t *list, const json_t *value)
{
	size_t i = 0;
	while (i < json_array_size(list) && !same(json_array_get(list, i), value))
		i++;
	return i < json_array_size(list);
}

int merge_check(const struct result *left, const struct result *right, struct echod_error *error)
{
	size_t i;
	const json_t *added;
	json_array_foreach(result_get(right, "runs"), i, added)
	{
		if (has(result_get(left, "runs"), added))
			return error_set(error, ECHOD_ERROR_USAGE,
					 "it holds a run that another one holds too");
	}
	// The runs of each were loaded alike.
	const char *name = difference(merge_entry(result_get(left, "configuration"), 0),
				      merge_entry(result_get(right, "configuration"), 0));
	return name ? error_set(error, ECHOD_ERROR_USAGE, "it is of another load: '%s' differs",
				name)
		    : 0;
}

// The sum of two intervals; NULL: no memory, or for the reason in `error`.
static json_t *add_intervals(const json_t *left, const json_t *right, struct echod_error *error)
{
	uint64_t length = result_time(left, "seconds"), longer = result_time(right, "seconds");
	const struct result_interval interval = {
		.from = result_time(left, "time"),
		.length = length > longer ? length : longer,
		.messages = result_count(left, "messages") + result_count(right, "messages"),
		.bytes = result_count(left, "bytes") + result_count(right, "bytes"),
		.errors = result_count(left, "errors") + result_count(right, "errors"),
	};
	const char *first = json_string_value(json_object_get(left, "hdr_v2"));
	const char *second = json_string_value(json_object_get(right, "hdr_v2"));
	struct hdr *hdr = calloc(1, sizeof(*hdr));
	if (!hdr)
		return NULL;
	hdr_reset(hdr);
	json_t *sum = NULL;
	if (hdr_v2_add(hdr, first, error) == 0 && hdr_v2_add(hdr, second, error) == 0)
		sum = result_pack_interval(&interval, hdr);
	free(hdr);
	return sum;
}

// Puts intervals, which begin `later` ns later, among those of `sum`. Those that begin less than
// half of `length` apart become one.
static int put_intervals(json_t *sum, const json_t *list, uint64_t later, uint64_t length,
			 struct echod_error *error)
{
	size_t place = 0, i;
	const json_t *one, *there;
	json_array_foreach(list, i, one)
	{
		uint64_t from = result_time(one, "time") + later;
		int status;
		while ((there = json_array_get(sum, place)) &&
		       result_time(there, "time") + length / 2 <= from)
			place++;
		if (there && result_time(there, "time") < from + length / 2) {
			status = json_array_set_new(sum, place, add_intervals(there, one, error));
		} else {
			json_t *moved = json_copy((json_t *)one);
			status =
				json_object_set_new(moved, "time", json_real(clock_seconds(from))) |
				json_array_insert_new(sum, place++, moved);
		}
		if (status != 0)
			return -1;
	}
	return 0;
}

// In whole seconds, at least one; ns.
static uint64_t length_of_intervals(const json_t *list)
{
	uint64_t longest = NS_PER_S;
	for (size_t i = 0; i < json_array_size(list); i++) {
		uint64_t length = result_time(json_array_get(list, i), "seconds");
		longest = length > longest ? length : longest;
	}
	return (longest + NS_PER_S / 2) / NS_PER_S * NS_PER_S;
}

static int merge_intervals(struct result *sum, const struct result *result,
			   struct echod_error *error)
{
	const json_t *list = result_get(sum, "intervals"), *more = result_get(result, "intervals");
	uint64_t length = length_of_intervals(more), other = length_of_intervals(list);
	uint64_t start = result_started(result), before = result_started(sum);
	uint64_t least = start < before ? start : before;
	// A result with one interval may have no more than the rest of one.
	if (length != other && json_array_size(length < other ? more : list) > 1)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "its intervals are of %.0f s, those of another one of %.0f s",
				 clock_seconds(length), clock_seconds(other));
	length = length > other ? length : other;
	json_t *merged = json_array();
	int status = put_intervals(merged, list, before - least, length, error) |
		     put_intervals(merged, more, start - least, length, error);
	return status | json_object_set_new(sum->json, "intervals", merged);
}

static int merge_counts(struct result *sum, const struct result *result)
{
	static const char *const counts[] = {"faults_found", "bytes_verified"};
	json_t *errors = result_get(result, "errors"), *count;
	const json_t *firsts = result_get(result, "first_errors");
	json_t *faults = result_get(sum, "faults"), *more = result_get(result, "faults");
	size_t runs = json_array_size(result_get(sum, "runs"));
	const char *name;
	int status = json_array_extend(result_get(sum, "runs"), result_get(result, "runs"));
	for (size_t i = 0; i < json_array_size(more) && json_array_size(faults) < RESULT_FAULTS;
	     i++) {
		json_t *fault = json_copy(json_array_get(more, i));
		status |= result_set_count(fault, "run", runs + result_count(fault, "run")) |
			  json_array_append_new(faults, fault);
	}
	json_object_foreach(errors, name, count)
	{
		status |= result_add_error(sum, name, result_count(errors, name),
					   json_string_value(json_object_get(firsts, name)));
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		status |= result_set_count(sum->json, counts[i],
					   result_count(sum->json, counts[i]) +
						   result_count(result->json, counts[i]));
	hdr_add(sum->latency, result->latency);
	hdr_add(sum->uncorrected, result->uncorrected);
	return status;
}

// Appends to `list` each entry of `object` (merge_entry) that is not there yet.
static int append_new(json_t *list, const json_t *object)
{
	int status = 0;
	json_t *member;
	for (size_t i = 0; (member = merge_entry(object, i)); i++)
		status |= has(list, member) ? 0 : json_array_append(list, member);
	return status;
}

// Adds the object of `result` that has this name.
static int merge_object(struct result *sum, const struct result *result, const char *name)
{
	json_t *list = json_array();
	int status = append_new(list, result_get(sum, name)) |
		     append_new(list, result_get(result, name));
	json_t *merged = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0))
						    : json_pack("{s:O}", "runs", list);
	json_decref(list);
	return status | json_object_set_new(sum->json, name, merged);
}

static int merge_words(struct result *sum, const struct result *result)
{
	// The limit of one generator is in the figures of all.
	static const char client[] = "CLIENT-BOUND";
	const char *verdict = result_verdict(result), *before = result_verdict(sum);
	if (strcmp(verdict, client) != 0 && strcmp(verdict, before) != 0)
		verdict = strcmp(before, client) == 0 ? client : "INCONCLUSIVE";
	return result_set_verdict(sum, verdict) | merge_object(sum, result, "evidence") |
	       merge_object(sum, result, "configuration") | merge_object(sum, result, "machine");
}

int merge_add(struct result *sum, const struct result *result, struct echod_error *error)
{
	struct echod_error why = {ECHOD_ERROR_SYSTEM, "out of memory"}; // unless a cause is known
	if (merge_check(sum, result, &why) == 0 && merge_intervals(sum, result, &why) == 0 &&
	    (merge_words(sum, result) | merge_counts(sum, result)) == 0)
		return 0;
	*error = why;
	return -1;
}

static const struct setting table[] = {
	{'o', "output", "FILE", "write the result to FILE, not to standard output", SETTING_TEXT,
	 SETTING_FIELD(struct inputs, output)},
};

static const char summary[] =
	"Makes one result of several: those of generators that ran at the same time on\n"
	"several machines, or of runs one after the other, all with the same load.\n"
	"Histograms and counts add exactly, so the percentiles are those of all messages\n"
	"together. The rates are over the time in which at least one of the runs ran.";

static const char epilogue[] =
	"Each RUN.json is a result of --json from echoload, or of an earlier merge.\n"
	"If one of the runs was CLIENT-BOUND, the merged one is. If the verdicts differ\n"
	"otherwise, the merged one is INCONCLUSIVE.\n"
	"\n"
	"Exit status:\n"
	"  0  done\n"
	"  2  wrong usage, a file that is no result of this schema, a run that is there\n"
	"     twice, or runs of different loads or of different --interval\n"
	"  3  the result could not be written";

static int add_file(struct result *sum, const struct inputs *inputs, size_t index,
		    struct echod_error *error)
{
	struct result result;
	struct echod_error why;
	int status = result_read(&result, inputs->paths[index], error);
	if (status == 0 && merge_add(sum, &result, &why) != 0)
		status = inputs_fail(inputs, index, &why, error);
	result_free(&result);
	return status;
}

static int run(void *context, struct echod_error *error)
{
	struct inputs *inputs = context;
	struct result sum;
	if (inputs->count == 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "nothing to merge (see echoload merge --help)");
	inputs->output = paths_output(inputs->output);
	if (inputs_check(inputs, error) != 0)
		return -1;
	int status = result_read(&sum, inputs->paths[0], error);
	for (size_t i = 1; i < inputs->count && status == 0; i++)
		status = add_file(&sum, inputs, i, error);
	if (status == 0)
		status = result_write(&sum, inputs->output, error);
	result_free(&sum);
	return status;
}

int merge_main(int argc, char **argv)
{
	struct inputs inputs = {.output = "-", .paths = (const char **)argv + argc};
	const struct cmdline cmdline = {
		.program = "echoload merge",
		.synopsis = "[options] RUN.json...",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = inputs_take,
		.run = run,
		.context = &inputs,
	};
	return cmdline_run(&cmdline, argc, argv);
}
