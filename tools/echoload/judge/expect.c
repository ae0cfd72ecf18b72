#include "expect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define ALLOWED \
	"a check is NAME, one of < <= == >= >, and VALUE, such as p99.9<5ms, errors==0, rate>50k"

enum expect_unit { DURATION, RATE, BYTES_A_SECOND, BYTES, COUNT };

static const struct subject {
	const char *name; // of a distribution: what may stand before the statistic
	enum expect_unit unit;
	size_t at;	     // in struct counters: a struct hdr or a uint64_t
	const char *missing; // why it may not have been measured
} subjects[EXPECT_SUBJECTS] = {
#define SUBJECT(name, unit, member, missing)                           \
	{                                                              \
		name, unit, offsetof(struct counters, member), missing \
	}
#define OPEN "only the open loop (--rate) has it"
#define CAME "no message came back"
#define UNVERIFIED "--no-verify was given"
	[EXPECT_LATENCY] = SUBJECT("", DURATION, latency, CAME),
	[EXPECT_UNCORRECTED] = SUBJECT("uncorrected.", DURATION, uncorrected, OPEN),
	[EXPECT_LATENESS] = SUBJECT("lateness.", DURATION, lateness, OPEN),
	[EXPECT_RATE] = SUBJECT("rate", RATE, messages, CAME),
	[EXPECT_BYTES_PER_SECOND] = SUBJECT("bytes_per_second", BYTES_A_SECOND, bytes, CAME),
	[EXPECT_MESSAGES] = SUBJECT("messages", COUNT, messages, NULL),
	[EXPECT_ERRORS] = SUBJECT("errors", COUNT, errors, NULL), // the sum of all
	[EXPECT_UNANSWERED] = SUBJECT("unanswered", COUNT, unanswered, NULL),
	[EXPECT_FAULTS] = SUBJECT("faults", COUNT, fault_count, UNVERIFIED),
	[EXPECT_BYTES_VERIFIED] = SUBJECT("bytes_verified", BYTES, verified, UNVERIFIED),
};

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(text, word, length) == 0;
}

// Returns the length of the name, or 0: `text` is no check.
static size_t split(const char *text, enum expect_relation *relation, const char **value)
{
	static const char *const relations[] = {"<", "<=", "==", ">=", ">"};
	size_t name = strcspn(text, "<=>"), length = strspn(text + name, "<=>");
	*value = text + name + length;
	for (size_t i = EXPECT_LESS; i <= EXPECT_MORE; i++) {
		*relation = (enum expect_relation)i;
		if (is_word(text + name, length, relations[i]))
			return name;
	}
	return 0;
}

// Reads the statistic that the `length` bytes at `name` are.
static bool read_statistic(const char *name, size_t length, double *percent)
{
	*percent = is_word(name, length, "mean")  ? EXPECT_MEAN
		   : is_word(name, length, "max") ? 100
						  : 0;
	if (*percent != 0 || is_word(name, length, "min"))
		return true;
	return *name == 'p' && units_read_number(name + 1, percent) == name + length &&
	       *percent > 0 && *percent <= 100;
}

static bool read_name(const char *name, size_t length, struct expect *expect)
{
	for (size_t i = 0; i < EXPECT_SUBJECTS; i++) {
		const struct subject *subject = &subjects[i];
		size_t prefix = strlen(subject->name);
		expect->subject = (enum expect_subject)i;
		if (subject->unit != DURATION
			    ? is_word(name, length, subject->name)
			    : length > prefix && memcmp(name, subject->name, prefix) == 0 &&
				      read_statistic(name + prefix, length - prefix,
						     &expect->percent))
			return true;
	}
	return false;
}

static int read_value(const char *value, struct expect *expect, struct echod_error *error)
{
	enum expect_unit unit = subjects[expect->subject].unit;
	uint64_t whole = 0;
	if (unit == RATE)
		return units_parse_rate(value, &expect->limit, error);
	int status = unit == DURATION ? units_parse_duration(value, &whole, error)
		     : unit == COUNT  ? units_parse_count(value, 0, UNITS_EXACT_MAX, &whole, error)
				      : units_parse_size(value, 0, UNITS_EXACT_MAX, &whole, error);
	expect->limit = (double)whole;
	return status;
}

int expect_parse(const char *text, struct expect *expect, struct echod_error *error)
{
	const char *value;
	*expect = (struct expect){.text = text};
	size_t name = split(text, &expect->relation, &value);
	if (name == 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is no check: " ALLOWED, text);
	if (!read_name(text, name, expect))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.*s' cannot be checked, only p50 (p99.9, ..., min, mean, max), "
				 "uncorrected.p50, lateness.p50, rate, bytes_per_second, messages, "
				 "errors, unanswered, faults and bytes_verified",
				 (int)(name < 64 ? name : 64), text);
	struct echod_error why;
	if (read_value(value, expect, &why) != 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s': %s", text, why.message);
	return 0;
}

const char *expect_never(const struct expect *expect, bool open, bool verify)
{
	enum expect_subject subject = expect->subject;
	bool needs_open = subject == EXPECT_UNCORRECTED || subject == EXPECT_LATENESS;
	bool needs_verify = subject == EXPECT_FAULTS || subject == EXPECT_BYTES_VERIFIED;
	return (needs_open && !open) || (needs_verify && !verify) ? subjects[subject].missing
								  : NULL;
}

// NAN: it was not measured.
static double measure(const struct expect *expect, const struct engine_result *result)
{
	const struct subject *subject = &subjects[expect->subject];
	const void *at = (const char *)result->counters + subject->at;
	if (subject->unit == DURATION) {
		const struct hdr *hdr = at;
		if (!hdr_knows(hdr, expect->percent))
			return NAN;
		return expect->percent == EXPECT_MEAN ? hdr_mean(hdr)
		       : expect->percent == 0	      ? (double)hdr->min
					      : (double)hdr_percentile(hdr, expect->percent);
	}
	bool is_errors = expect->subject == EXPECT_ERRORS;
	uint64_t count = is_errors ? load_errors_total(at) : *(const uint64_t *)at;
	if (subject->unit <= BYTES_A_SECOND)
		return count > 0 && result->lasted > 0 ? engine_rate(result, count) : NAN;
	return expect->subject < EXPECT_FAULTS || result->config->verify ? (double)count : NAN;
}

static bool holds(double value, enum expect_relation relation, double limit)
{
	if (value == limit)
		return relation >= EXPECT_AT_MOST && relation <= EXPECT_AT_LEAST;
	return value < limit ? relation <= EXPECT_AT_MOST : relation >= EXPECT_AT_LEAST;
}

// A duration to the nanosecond, as a limit may be missed by one.
static void print_value(double value, enum expect_unit unit, char *text, size_t size)
{
	static const struct units_step steps[] = {
		{" us", NS_PER_US, 3, 1000},
		{" ms", NS_PER_MS, 6, 1000},
		{" s", NS_PER_S, 9, 0},
	};
	static const char *const words[] = {[RATE] = " messages a second",
					    [BYTES] = " bytes",
					    [BYTES_A_SECOND] = " bytes a second",
					    [COUNT] = ""};
	if (unit == DURATION)
		units_format((uint64_t)llround(value), steps, text, size);
	else
		snprintf(text, size, "%.*f%s", unit == RATE ? 3 : 0, value, words[unit]);
}

bool expect_judge(const struct expect *expect, const struct engine_result *result,
		  char line[static EXPECT_LINE])
{
	const struct subject *subject = &subjects[expect->subject];
	const struct hdr *hdr = (const void *)((const char *)result->counters + subject->at);
	double value = measure(expect, result);
	char text[80];
	if (!isnan(value) && holds(value, expect->relation, expect->limit))
		return true;
	if (!isnan(value))
		print_value(value, subject->unit, text, sizeof(text));
	else if (subject->unit == DURATION && hdr->count > 0)
		snprintf(text, sizeof(text), "it takes %.0f samples, there are %" PRIu64,
			 ceil(hdr_samples_for(expect->percent)), hdr->count);
	else
		snprintf(text, sizeof(text), "%s", subject->missing);
	snprintf(line, EXPECT_LINE, "expected %.64s, %s%s", expect->text,
		 isnan(value) ? "which was not measured: " : "measured ", text);
	return false;
}
