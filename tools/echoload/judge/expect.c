// Checks of a run for scripts. Main thread.
#include "expect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define MOST_COUNT (UINT64_C(1) << 53) // a double holds it exactly
#define MISSING 80		       // bytes: why something was not measured
#define ALLOWED \
	"a check is NAME, one of < <= == >= >, and VALUE, such as p99.9<5ms, errors==0, rate>50k"

enum unit { DURATION, RATE, BYTES, BYTES_A_SECOND, COUNT };

struct subject {
	const char *name; // of a distribution: what may stand before the statistic
	enum unit unit;
	const char *missing; // why it may not have been measured
};

static const struct subject subjects[EXPECT_SUBJECTS] = {
	[EXPECT_LATENCY] = {"", DURATION, "no message came back"},
	[EXPECT_UNCORRECTED] = {"uncorrected.", DURATION, "only the open loop (--rate) has it"},
	[EXPECT_LATENESS] = {"lateness.", DURATION, "only the open loop (--rate) has it"},
	[EXPECT_RATE] = {"rate", RATE, "no message came back"},
	[EXPECT_BYTES_PER_SECOND] = {"bytes_per_second", BYTES_A_SECOND, "no time was recorded"},
	[EXPECT_MESSAGES] = {"messages", COUNT, NULL},
	[EXPECT_ERRORS] = {"errors", COUNT, NULL},
	[EXPECT_UNANSWERED] = {"unanswered", COUNT, NULL},
	[EXPECT_FAULTS] = {"faults", COUNT, "--no-verify was given"},
	[EXPECT_BYTES_VERIFIED] = {"bytes_verified", BYTES, "--no-verify was given"},
};

static const char *const relations[] = {
	[EXPECT_LESS] = "<",	  [EXPECT_AT_MOST] = "<=", [EXPECT_EQUAL] = "==",
	[EXPECT_AT_LEAST] = ">=", [EXPECT_MORE] = ">",
};

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(text, word, length) == 0;
}

// Reads the statistic that the `length` bytes at `name` are.
static bool read_statistic(const char *name, size_t length, struct expect *expect)
{
	static const char *const names[] = {
		[EXPECT_MIN] = "min", [EXPECT_MEAN] = "mean", [EXPECT_MAX] = "max"};
	for (size_t i = EXPECT_MIN; i <= EXPECT_MAX; i++) {
		expect->statistic = (enum expect_statistic)i;
		if (is_word(name, length, names[i]))
			return true;
	}
	expect->statistic = EXPECT_PERCENTILE;
	return *name == 'p' && units_read_number(name + 1, &expect->percent) == name + length &&
	       expect->percent > 0 && expect->percent <= 100;
}

static bool read_name(const char *name, size_t length, struct expect *expect)
{
	for (size_t i = 0; i < EXPECT_SUBJECTS; i++) {
		const struct subject *subject = &subjects[i];
		size_t prefix = strlen(subject->name);
		expect->subject = (enum expect_subject)i;
		if (subject->unit != DURATION && is_word(name, length, subject->name))
			return true;
		if (subject->unit == DURATION && length > prefix &&
		    memcmp(name, subject->name, prefix) == 0 &&
		    read_statistic(name + prefix, length - prefix, expect))
			return true;
	}
	return false;
}

static int read_value(const char *value, struct expect *expect, struct error *error)
{
	uint64_t whole = 0;
	int status = 0;
	switch (subjects[expect->subject].unit) {
	case DURATION:
		status = units_parse_duration(value, &whole, error);
		break;
	case RATE:
		return units_parse_rate(value, &expect->limit, error);
	case BYTES:
	case BYTES_A_SECOND:
		status = units_parse_size(value, 0, MOST_COUNT, &whole, error);
		break;
	case COUNT:
		status = units_parse_count(value, 0, MOST_COUNT, &whole, error);
		break;
	}
	expect->limit = (double)whole;
	return status;
}

int expect_parse(const char *text, struct expect *expect, struct error *error)
{
	size_t name = strcspn(text, "<=>");
	size_t relation = strspn(text + name, "<=>");
	*expect = (struct expect){.text = text};
	size_t i = 0;
	while (i < sizeof(relations) / sizeof(relations[0]) &&
	       !is_word(text + name, relation, relations[i]))
		i++;
	if (i == sizeof(relations) / sizeof(relations[0]))
		return error_set(error, ERROR_USAGE, "'%.64s' is no check: " ALLOWED, text);
	expect->relation = (enum expect_relation)i;
	if (!read_name(text, name, expect))
		return error_set(error, ERROR_USAGE,
				 "'%.*s' cannot be checked, only p50 (p99.9, ..., min, mean, max), "
				 "uncorrected.p50, lateness.p50, rate, bytes_per_second, messages, "
				 "errors, unanswered, faults and bytes_verified",
				 (int)(name < 64 ? name : 64), text);
	struct error why;
	if (read_value(text + name + relation, expect, &why) != 0)
		return error_set(error, ERROR_USAGE, "'%.64s': %s", text, why.message);
	return 0;
}

static const struct hdr *distribution_of(const struct expect *expect, const struct facts *facts)
{
	switch (expect->subject) {
	case EXPECT_LATENCY:
		return facts->latency;
	case EXPECT_UNCORRECTED:
		return facts->uncorrected;
	default:
		return facts->lateness;
	}
}

// Returns NULL, or why it was not measured; `text` has room for that.
static const char *measure_distribution(const struct expect *expect, const struct hdr *hdr,
					double *value, char text[static MISSING])
{
	if (hdr->count == 0)
		return subjects[expect->subject].missing;
	switch (expect->statistic) {
	case EXPECT_MIN:
		*value = (double)hdr->min;
		break;
	case EXPECT_MEAN:
		*value = hdr_mean(hdr);
		break;
	case EXPECT_MAX:
		*value = (double)hdr->max;
		break;
	case EXPECT_PERCENTILE:
		*value = (double)hdr_percentile(hdr, expect->percent);
		if (hdr_knows(hdr, expect->percent))
			break;
		snprintf(text, MISSING, "it takes %.0f samples, there are %" PRIu64,
			 ceil(hdr_samples_for(expect->percent)), hdr->count);
		return text;
	}
	return NULL;
}

// Finds the value that is to be checked. Returns NULL, or why it was not measured.
static const char *measure(const struct expect *expect, const struct facts *facts, double *value,
			   char text[static MISSING])
{
	bool known = true;
	switch (expect->subject) {
	case EXPECT_RATE:
		*value = facts_rate_of(facts, facts->messages);
		known = facts->messages > 0 && facts->lasted > 0;
		break;
	case EXPECT_BYTES_PER_SECOND:
		*value = facts_rate_of(facts, facts->bytes);
		known = facts->lasted > 0;
		break;
	case EXPECT_MESSAGES:
		*value = (double)facts->messages;
		break;
	case EXPECT_ERRORS:
		*value = (double)load_errors_total(facts->errors);
		break;
	case EXPECT_UNANSWERED:
		*value = (double)facts->unanswered;
		break;
	case EXPECT_FAULTS:
		*value = (double)facts->fault_count;
		known = facts->verified;
		break;
	case EXPECT_BYTES_VERIFIED:
		*value = (double)facts->bytes_verified;
		known = facts->verified;
		break;
	default:
		return measure_distribution(expect, distribution_of(expect, facts), value, text);
	}
	return known ? NULL : subjects[expect->subject].missing;
}

static bool holds(double value, enum expect_relation relation, double limit)
{
	switch (relation) {
	case EXPECT_LESS:
		return value < limit;
	case EXPECT_AT_MOST:
		return value <= limit;
	case EXPECT_EQUAL:
		return value == limit;
	case EXPECT_AT_LEAST:
		return value >= limit;
	case EXPECT_MORE:
		return value > limit;
	}
	return false;
}

// To the nanosecond, as what missed a limit may have missed it by that.
static void print_duration(double ns, char *text, size_t size)
{
	static const struct units_step steps[] = {
		{" us", NS_PER_US, 3, 1000},
		{" ms", NS_PER_MS, 6, 1000},
		{" s", NS_PER_S, 9, 0},
	};
	units_format((uint64_t)llround(ns), steps, text, size);
}

static void print_value(double value, enum unit unit, char *text, size_t size)
{
	switch (unit) {
	case DURATION:
		print_duration(value, text, size);
		break;
	case RATE:
		snprintf(text, size, "%.3f messages a second", value);
		break;
	case BYTES:
		snprintf(text, size, "%.0f bytes", value);
		break;
	case BYTES_A_SECOND:
		snprintf(text, size, "%.0f bytes a second", value);
		break;
	case COUNT:
		snprintf(text, size, "%.0f", value);
		break;
	}
}

bool expect_is_of_speed(const struct expect *expect)
{
	return expect->subject <= EXPECT_BYTES_PER_SECOND;
}

bool expect_judge(const struct expect *expect, const struct facts *facts,
		  char line[static EXPECT_LINE])
{
	const struct subject *subject = &subjects[expect->subject];
	double value = 0;
	char text[MISSING];
	const char *missing = measure(expect, facts, &value, text);
	if (missing) {
		snprintf(line, EXPECT_LINE, "expected %.64s, which was not measured: %s",
			 expect->text, missing);
		return false;
	}
	if (holds(value, expect->relation, expect->limit))
		return true;
	char measured[64];
	print_value(value, subject->unit, measured, sizeof(measured));
	snprintf(line, EXPECT_LINE, "expected %.64s, measured %s", expect->text, measured);
	return false;
}
