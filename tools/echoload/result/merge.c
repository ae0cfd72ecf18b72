// `echoload merge`: several results become one. Main thread.
#include "merge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "echoload/common/paths.h"
#include "formats.h"
#include "inputs.h"

// Members of the configuration that make the load. Those of the generator are among them, as its
// own time is in every latency.
static const char *const load[] = {
	"mode",	   "connections", "pipeline",	      "sizes",		"visit",
	"linger",  "rate",	  "arrival",	      "verify",		"count",
	"threads", "spin",	  "duration_seconds", "warmup_seconds", "ramp_seconds",
};

json_t *merge_member(const json_t *object, size_t index)
{
	json_t *runs = json_object_get(object, "runs");
	if (json_object_size(object) == 1 && json_is_array(runs))
		return json_array_get(runs, index);
	return index == 0 ? (json_t *)object : NULL;
}

// The first thing in which two configurations differ, NULL: there is none.
static const char *difference(const json_t *left, const json_t *right)
{
	for (size_t i = 0; i < sizeof(load) / sizeof(load[0]); i++) {
		json_t *a = json_object_get(left, load[i]), *b = json_object_get(right, load[i]);
		if (a != b && !json_equal(a, b))
			return load[i];
	}
	size_t targets = json_array_size(json_object_get(left, "targets"));
	return targets == json_array_size(json_object_get(right, "targets")) ? NULL : "targets";
}

int merge_check(const struct result *left, const struct result *right, struct error *error)
{
	const json_t *one, *other;
	for (size_t i = 0; (one = json_array_get(result_get(left, "runs"), i)); i++) {
		for (size_t j = 0; (other = json_array_get(result_get(right, "runs"), j)); j++) {
			if (json_equal(one, other))
				return error_set(error, ERROR_USAGE,
						 "it holds a run that another one holds too");
		}
	}
	for (size_t i = 0; (one = merge_member(result_get(left, "configuration"), i)); i++) {
		for (size_t j = 0; (other = merge_member(result_get(right, "configuration"), j));
		     j++) {
			const char *name = difference(one, other);
			if (name)
				return error_set(error, ERROR_USAGE,
						 "it is of another load: '%s' differs", name);
		}
	}
	return 0;
}

static size_t run_count(const struct result *result)
{
	return json_array_size(result_get(result, "runs"));
}

static int fail_memory(struct error *error)
{
	return error_set(error, ERROR_SYSTEM, "out of memory");
}

static const char *text_of(const json_t *interval)
{
	return json_string_value(json_object_get(interval, "hdr_v2"));
}

// What two intervals are together; NULL: see `error`.
static json_t *add_intervals(const json_t *there, const json_t *more, struct error *error)
{
	struct hdr *hdr = malloc(2 * sizeof(*hdr));
	json_t *sum = NULL;
	uint64_t length = result_time(there, "seconds"), longer = result_time(more, "seconds");
	struct result_interval interval = {
		.from = result_time(there, "time"),
		.length = length > longer ? length : longer,
		.messages = result_count(there, "messages") + result_count(more, "messages"),
		.bytes = result_count(there, "bytes") + result_count(more, "bytes"),
		.errors = result_count(there, "errors") + result_count(more, "errors"),
	};
	int status = hdr ? hdr_v2_decode(&hdr[0], text_of(there), error) |
				     hdr_v2_decode(&hdr[1], text_of(more), error)
			 : fail_memory(error);
	if (status == 0) {
		hdr_add(&hdr[0], &hdr[1]);
		sum = result_pack_interval(&interval, &hdr[0]);
		if (!sum)
			fail_memory(error);
	}
	free(hdr);
	return sum;
}

static int move_interval(json_t *interval, uint64_t by)
{
	uint64_t time = result_time(interval, "time") + by;
	return json_object_set_new(interval, "time", json_real(clock_seconds(time)));
}

// Puts them where they belong in time. Those that begin less than half of `length` apart become
// one.
static int put_intervals(json_t *sum, const json_t *list, uint64_t later, uint64_t length,
			 struct error *error)
{
	size_t place = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *more = json_copy(json_array_get(list, i));
		int status = move_interval(more, later);
		uint64_t from = result_time(more, "time");
		const json_t *there;
		while ((there = json_array_get(sum, place)) &&
		       result_time(there, "time") + length / 2 <= from)
			place++;
		if (!there || result_time(there, "time") >= from + length / 2) {
			if ((status | json_array_insert_new(sum, place++, more)) != 0)
				return fail_memory(error);
			continue;
		}
		json_t *both = add_intervals(there, more, error);
		json_decref(more);
		if (!both)
			return -1;
		json_array_set_new(sum, place, both);
	}
	return 0;
}

// In whole seconds, at least one; ns.
static uint64_t length_of_intervals(const json_t *list)
{
	uint64_t longest = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		uint64_t length = result_time(json_array_get(list, i), "seconds");
		longest = length > longest ? length : longest;
	}
	return longest < NS_PER_S ? NS_PER_S : (longest + NS_PER_S / 2) / NS_PER_S * NS_PER_S;
}

static int merge_intervals(struct result *sum, const struct result *result, struct error *error)
{
	json_t *intervals = result_get(sum, "intervals"), *more = result_get(result, "intervals");
	uint64_t length = length_of_intervals(more), other = length_of_intervals(intervals);
	// A result with one interval may have no more than the rest of one.
	if (length != other && json_array_size(length < other ? more : intervals) > 1)
		return error_set(error, ERROR_USAGE,
				 "its intervals are of %.0f s, those of another one of %.0f s",
				 clock_seconds(length), clock_seconds(other));
	length = length > other ? length : other;
	uint64_t start = result_started(result), before = start;
	if (run_count(sum))
		before = result_started(sum);
	for (size_t i = 0; start < before && i < json_array_size(intervals); i++) {
		if (move_interval(json_array_get(intervals, i), before - start) != 0)
			return fail_memory(error);
	}
	return put_intervals(intervals, more, start > before ? start - before : 0, length, error);
}

static int merge_faults(struct result *sum, const struct result *result, size_t runs)
{
	json_t *faults = result_get(sum, "faults"), *fault;
	size_t i;
	int status = 0;
	json_array_foreach(result_get(result, "faults"), i, fault)
	{
		json_t *added = json_copy(fault);
		if (json_array_size(faults) == RESULT_FAULTS)
			json_decref(added);
		else
			status |=
				result_set_count(added, "run", runs + result_count(fault, "run")) |
				json_array_append_new(faults, added);
	}
	return status;
}

static int merge_counts(struct result *sum, const struct result *result)
{
	static const char *const counts[] = {"faults_found", "bytes_verified"};
	json_t *firsts = result_get(result, "first_errors"), *count;
	const char *name;
	int status = merge_faults(sum, result, run_count(sum)) |
		     json_array_extend(result_get(sum, "runs"), result_get(result, "runs"));
	json_object_foreach(result_get(result, "errors"), name, count)
	{
		status |= result_add_error(sum, name, (uint64_t)json_integer_value(count),
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

// Appends to `list` what `object` stands for, once for each run where that differs, if it is not
// there yet.
static int append_new(json_t *list, const json_t *object)
{
	json_t *member;
	for (size_t i = 0; (member = merge_member(object, i)); i++) {
		size_t j = 0;
		while (j < json_array_size(list) && !json_equal(json_array_get(list, j), member))
			j++;
		if (j == json_array_size(list) && json_array_append(list, member) != 0)
			return -1;
	}
	return 0;
}

// Adds what `result` says under a name.
static int merge_object(struct result *sum, const struct result *result, const char *name,
			bool first)
{
	json_t *list = json_array(), *merged = NULL;
	if ((first || append_new(list, result_get(sum, name)) == 0) &&
	    append_new(list, result_get(result, name)) == 0)
		merged = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0))
						    : json_pack("{s:O}", "runs", list);
	json_decref(list);
	return json_object_set_new(sum->json, name, merged);
}

static int merge_words(struct result *sum, const struct result *result, bool first)
{
	// What is in the figures of one is in those of all.
	static const char client[] = "CLIENT-BOUND";
	const char *verdict = result_verdict(result);
	if (!first && strcmp(verdict, client) != 0 && strcmp(result_verdict(sum), verdict) != 0)
		verdict = strcmp(result_verdict(sum), client) == 0 ? client : "INCONCLUSIVE";
	return result_set_verdict(sum, verdict) | merge_object(sum, result, "evidence", first) |
	       merge_object(sum, result, "configuration", first) |
	       merge_object(sum, result, "machine", first);
}

int merge_add(struct result *sum, const struct result *result, struct error *error)
{
	bool first = run_count(sum) == 0;
	if ((!first && merge_check(sum, result, error) != 0) ||
	    merge_intervals(sum, result, error) != 0)
		return -1;
	int status = merge_words(sum, result, first) | merge_counts(sum, result);
	return status == 0 ? 0 : fail_memory(error);
}

static const struct cmdline_option table[] = {
	{'o', "output", "FILE", "write the result to FILE, not to standard output", CMDLINE_TEXT,
	 CMDLINE_FIELD(struct inputs, output)},
};

static const char summary[] =
	"Makes one result of several: those of generators that ran at the same time on\n"
	"several machines, or of runs one after the other, all with the same load.\n"
	"Histograms and counts add exactly, so the percentiles are those of all messages\n"
	"together. The rates are over the time in which at least one of the runs ran.";

static const char epilogue[] =
	"Each RUN.json is what --json of echoload has written, or an earlier merge.\n"
	"If one of the runs was CLIENT-BOUND, all are; where verdicts differ otherwise, that\n"
	"of all is INCONCLUSIVE.\n"
	"\n"
	"Exit status:\n"
	"  0  done\n"
	"  2  wrong usage, a file that is no result of this schema, a run that is there\n"
	"     twice, or runs of different loads or of different --interval\n"
	"  3  the result could not be written";

static int add_file(struct result *sum, const struct inputs *inputs, size_t index,
		    struct error *error)
{
	struct result result;
	struct error why;
	int status = result_read(&result, inputs->paths[index], error);
	if (status == 0 && merge_add(sum, &result, &why) != 0)
		status = inputs_fail(inputs, index, &why, error);
	result_free(&result);
	return status;
}

static int run(void *context, struct error *error)
{
	struct inputs *inputs = context;
	struct result sum;
	if (inputs->count == 0)
		return error_set(error, ERROR_USAGE,
				 "nothing to merge (see echoload merge --help)");
	inputs->output = paths_output(inputs->output);
	if (paths_check_inputs(inputs->output, inputs->paths, inputs->count, error) != 0)
		return -1;
	int status = result_init(&sum) == 0 ? 0 : fail_memory(error);
	for (size_t i = 0; i < inputs->count && status == 0; i++)
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
