// The result of a run: filling it. One thread each.
#include "result.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "hdr_v2.h"

static struct hdr *new_hdr(void)
{
	struct hdr *hdr = malloc(sizeof(*hdr));
	if (hdr)
		hdr_reset(hdr);
	return hdr;
}

int result_init(struct result *result)
{
	*result = (struct result){
		.latency = new_hdr(),
		.uncorrected = new_hdr(),
		.evidence = json_object(),
		.configuration = json_object(),
		.machine = json_object(),
	};
	return result->latency && result->uncorrected && result->evidence &&
			       result->configuration && result->machine
		       ? 0
		       : -1;
}

void result_free(struct result *result)
{
	for (size_t i = 0; i < result->interval_count; i++)
		free(result->intervals[i].latency);
	free(result->intervals);
	free(result->runs);
	free(result->faults);
	free(result->latency);
	free(result->uncorrected);
	json_decref(result->evidence);
	json_decref(result->configuration);
	json_decref(result->machine);
	*result = (struct result){0};
}

// Makes room for one more of `count` elements of `size` bytes. Returns the array, or NULL.
static void *grow(void *array, size_t count, size_t size)
{
	// Doubles at each power of two.
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? 2 * count : 1, size);
}

int result_add_run(struct result *result, const struct result_run *run)
{
	struct result_run *runs = grow(result->runs, result->run_count, sizeof(*runs));
	if (!runs)
		return -1;
	result->runs = runs;
	runs[result->run_count++] = *run;
	result->messages += run->messages;
	result->bytes += run->bytes;
	return 0;
}

int result_take_interval(struct result *result, const struct result_interval *interval)
{
	if (!interval->latency)
		return -1;
	struct result_interval *intervals =
		grow(result->intervals, result->interval_count, sizeof(*intervals));
	if (!intervals) {
		free(interval->latency);
		return -1;
	}
	result->intervals = intervals;
	intervals[result->interval_count++] = *interval;
	return 0;
}

int result_add_interval(struct result *result, const struct result_interval *interval,
			const struct hdr *latency)
{
	struct result_interval added = *interval;
	added.p50 = hdr_percentile(latency, 50.0);
	added.p99 = hdr_percentile(latency, 99.0);
	added.latency = hdr_v2_encode(latency);
	return result_take_interval(result, &added);
}

// Copies what fits, and only what may go to a terminal and into JSON as it is.
static void copy_text(char *copy, size_t size, const char *text)
{
	for (; *text && size > 1; text++, copy++, size--) {
		*copy = '?';
		if (*text >= 0x20 && *text <= 0x7e)
			*copy = *text;
	}
	*copy = '\0';
}

int result_add_fault(struct result *result, size_t run, const char *target,
		     const struct fault *fault)
{
	result->faults_found++;
	if (result->fault_count == RESULT_FAULTS)
		return 0;
	struct result_fault *faults = grow(result->faults, result->fault_count, sizeof(*faults));
	if (!faults)
		return -1;
	result->faults = faults;
	struct result_fault *added = &faults[result->fault_count++];
	*added = (struct result_fault){.run = run, .fault = *fault};
	copy_text(added->target, sizeof(added->target), target);
	return 0;
}

void result_set_verdict(struct result *result, const char *verdict)
{
	copy_text(result->verdict, sizeof(result->verdict), verdict);
}

static struct result_error *find_error(struct result *result, const char *name)
{
	for (size_t i = 0; i < result->error_count; i++) {
		if (strcmp(result->errors[i].name, name) == 0)
			return &result->errors[i];
	}
	return NULL;
}

void result_add_error(struct result *result, const char *name, uint64_t count, const char *first)
{
	if (count == 0)
		return;
	struct result_error *found = find_error(result, name);
	if (!found && result->error_count >= RESULT_ERRORS - 1) {
		name = "other";
		found = find_error(result, name);
	}
	if (!found) {
		found = &result->errors[result->error_count++];
		*found = (struct result_error){0};
		copy_text(found->name, sizeof(found->name), name);
	}
	if (!*found->first && first)
		copy_text(found->first, sizeof(found->first), first);
	found->count += count;
}

uint64_t result_error_count(const struct result *result)
{
	uint64_t count = 0;
	for (size_t i = 0; i < result->error_count; i++)
		count += result->errors[i].count;
	return count;
}

uint64_t result_started(const struct result *result)
{
	uint64_t started = UINT64_MAX;
	for (size_t i = 0; i < result->run_count; i++) {
		if (result->runs[i].started < started)
			started = result->runs[i].started;
	}
	return result->run_count ? started : 0;
}

static uint64_t end_of(const struct result_run *run)
{
	return run->started + run->lasted;
}

// Of the runs that go on after `moment` the one that began first, NULL: none does.
static const struct result_run *next_run(const struct result *result, uint64_t moment)
{
	const struct result_run *next = NULL;
	for (size_t i = 0; i < result->run_count; i++) {
		const struct result_run *run = &result->runs[i];
		if (end_of(run) > moment && (!next || run->started < next->started))
			next = run;
	}
	return next;
}

uint64_t result_lasted(const struct result *result)
{
	uint64_t lasted = 0;
	uint64_t counted = 0; // up to this moment
	const struct result_run *run;
	while ((run = next_run(result, counted))) {
		lasted += end_of(run) - (run->started > counted ? run->started : counted);
		counted = end_of(run);
	}
	return lasted;
}

static double a_second(const struct result *result, uint64_t count)
{
	uint64_t lasted = result_lasted(result);
	return lasted ? (double)count / clock_seconds(lasted) : 0.0;
}

double result_message_rate(const struct result *result)
{
	return a_second(result, result->messages);
}

double result_byte_rate(const struct result *result)
{
	return a_second(result, result->bytes);
}
