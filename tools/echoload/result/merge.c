// `echoload merge`: several results become one. Main thread.
#include "merge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/cmdline.h"
#include "echoload/common/paths.h"
#include "hdr_v2.h"

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
	for (size_t i = 0; i < left->run_count; i++) {
		for (size_t j = 0; j < right->run_count; j++) {
			if (memcmp(&left->runs[i], &right->runs[j], sizeof(*left->runs)) == 0)
				return error_set(error, ERROR_USAGE,
						 "it holds a run that another one holds too");
		}
	}
	const json_t *one, *other;
	for (size_t i = 0; (one = merge_member(left->configuration, i)); i++) {
		for (size_t j = 0; (other = merge_member(right->configuration, j)); j++) {
			const char *name = difference(one, other);
			if (name)
				return error_set(error, ERROR_USAGE,
						 "it is of another load: '%s' differs", name);
		}
	}
	return 0;
}

static int fail_memory(struct error *error)
{
	return error_set(error, ERROR_SYSTEM, "out of memory");
}

// Adds `more` to an interval of the sum.
static int add_interval(struct result_interval *interval, const struct result_interval *more,
			struct error *error)
{
	struct hdr *hdr = malloc(2 * sizeof(*hdr));
	if (!hdr)
		return fail_memory(error);
	int status = hdr_v2_decode(&hdr[0], interval->latency, error) |
		     hdr_v2_decode(&hdr[1], more->latency, error);
	if (status == 0) {
		hdr_add(&hdr[0], &hdr[1]);
		char *text = hdr_v2_encode(&hdr[0]);
		free(interval->latency);
		*interval = (struct result_interval){
			.from = interval->from,
			.length = interval->length > more->length ? interval->length : more->length,
			.messages = interval->messages + more->messages,
			.bytes = interval->bytes + more->bytes,
			.errors = interval->errors + more->errors,
			.p50 = hdr_percentile(&hdr[0], 50.0),
			.p99 = hdr_percentile(&hdr[0], 99.0),
			.latency = text,
		};
		status = text ? 0 : fail_memory(error);
	}
	free(hdr);
	return status;
}

static int compare_starts(const void *left, const void *right)
{
	const struct result_interval *a = left, *b = right;
	return (a->from > b->from) - (a->from < b->from);
}

// Those that begin less than half of `length` apart become one.
static int add_intervals(struct result *sum, const struct result *result, uint64_t shift,
			 uint64_t length, struct error *error)
{
	size_t place = 0, count = sum->interval_count;
	for (size_t i = 0; i < result->interval_count; i++) {
		struct result_interval more = result->intervals[i];
		more.from += shift;
		while (place < count && sum->intervals[place].from + length / 2 <= more.from)
			place++;
		if (place < count && sum->intervals[place].from < more.from + length / 2) {
			if (add_interval(&sum->intervals[place], &more, error) != 0)
				return -1;
			continue;
		}
		more.latency = strdup(more.latency);
		if (result_take_interval(sum, &more) != 0)
			return fail_memory(error);
	}
	if (sum->interval_count > 0)
		qsort(sum->intervals, sum->interval_count, sizeof(*sum->intervals), compare_starts);
	return 0;
}

// In whole seconds, at least one; ns.
static uint64_t length_of_intervals(const struct result *result)
{
	uint64_t longest = 0;
	for (size_t i = 0; i < result->interval_count; i++)
		longest = result->intervals[i].length > longest ? result->intervals[i].length
								: longest;
	return longest < NS_PER_S ? NS_PER_S : (longest + NS_PER_S / 2) / NS_PER_S * NS_PER_S;
}

static int merge_intervals(struct result *sum, const struct result *result, struct error *error)
{
	uint64_t length = length_of_intervals(result), other = length_of_intervals(sum);
	// A result with one interval may have no more than the rest of one.
	const struct result *brief = length < other ? result : sum;
	if (length != other && brief->interval_count > 1)
		return error_set(error, ERROR_USAGE,
				 "its intervals are of %.0f s, those of another one of %.0f s",
				 clock_seconds(length), clock_seconds(other));
	length = length > other ? length : other;
	uint64_t start = result_started(result), before = start;
	if (sum->run_count)
		before = result_started(sum);
	for (size_t i = 0; start < before && i < sum->interval_count; i++)
		sum->intervals[i].from += before - start;
	return add_intervals(sum, result, start > before ? start - before : 0, length, error);
}

static int merge_counts(struct result *sum, const struct result *result)
{
	int status = 0;
	size_t runs = sum->run_count;
	for (size_t i = 0; i < result->run_count; i++)
		status |= result_add_run(sum, &result->runs[i]);
	for (size_t i = 0; i < result->fault_count; i++)
		status |= result_add_fault(sum, runs + result->faults[i].run,
					   result->faults[i].target, &result->faults[i].fault);
	sum->faults_found += result->faults_found - result->fault_count;
	for (size_t i = 0; i < result->error_count; i++) {
		const struct result_error *error = &result->errors[i];
		result_add_error(sum, error->name, error->count, error->first);
	}
	sum->bytes_verified += result->bytes_verified;
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

static int merge_object(json_t **place, const json_t *object, bool first)
{
	json_t *list = json_array();
	json_t *merged = NULL;
	if (list && (first || append_new(list, *place) == 0) && append_new(list, object) == 0)
		merged = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0))
						    : json_pack("{s:O}", "runs", list);
	json_decref(list);
	if (!merged)
		return -1;
	json_decref(*place);
	*place = merged;
	return 0;
}

static int merge_words(struct result *sum, const struct result *result, bool first)
{
	static const char client[] =
		"CLIENT-BOUND"; // what is in the figures of one is in those of all
	if (first || strcmp(result->verdict, client) == 0)
		result_set_verdict(sum, result->verdict);
	else if (strcmp(sum->verdict, client) != 0 && strcmp(sum->verdict, result->verdict) != 0)
		result_set_verdict(sum, "INCONCLUSIVE");
	return merge_object(&sum->evidence, result->evidence, first) |
	       merge_object(&sum->configuration, result->configuration, first) |
	       merge_object(&sum->machine, result->machine, first);
}

int merge_add(struct result *sum, const struct result *result, struct error *error)
{
	bool first = sum->run_count == 0;
	if ((!first && merge_check(sum, result, error) != 0) ||
	    merge_intervals(sum, result, error) != 0)
		return -1;
	int status = merge_words(sum, result, first) | merge_counts(sum, result);
	return status == 0 ? 0 : fail_memory(error);
}

static const struct cmdline_option table[] = {
	{'o', "output", "FILE", "write the result to FILE, not to standard output",
	 .kind = CMDLINE_TAKEN},
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

struct request {
	const char *output;
	const char **paths; // of the results that were read; as many as there are arguments at most
	size_t count;
	struct result sum;
};

static int take_file(struct result *sum, const char *path, struct error *error)
{
	struct result result;
	struct error why;
	int status = result_read(&result, path, error);
	if (status == 0) {
		status = merge_add(sum, &result, &why);
		if (status != 0)
			error_set(error, why.kind, "'%.160s': %.200s", path, why.message);
	}
	result_free(&result);
	return status;
}

static int take(void *context, const char *name, const char *value, struct error *error)
{
	struct request *request = context;
	if (!name) {
		request->paths[request->count++] = value;
		return take_file(&request->sum, value, error);
	}
	ensure(strcmp(name, "output") == 0);
	request->output = paths_output(value);
	return 0;
}

static int run(void *context, struct error *error)
{
	const struct request *request = context;
	if (request->sum.run_count == 0)
		return error_set(error, ERROR_USAGE,
				 "nothing to merge (see echoload merge --help)");
	if (paths_check_inputs(request->output, request->paths, request->count, error) != 0)
		return -1;
	return result_write(&request->sum, request->output, error);
}

int merge_main(int argc, char **argv)
{
	struct request request = {
		.output = "-",
		.paths = calloc((size_t)argc, sizeof(*request.paths)),
	};
	const struct cmdline cmdline = {
		.program = "echoload merge",
		.synopsis = "[options] RUN.json...",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take,
		.run = run,
		.context = &request,
	};
	struct error error;
	int status;
	if (request.paths && result_init(&request.sum) == 0) {
		status = cmdline_run(&cmdline, argc, argv);
	} else {
		fail_memory(&error);
		status = cmdline_fail(cmdline.program, &error);
	}
	result_free(&request.sum);
	free(request.paths);
	return status;
}
