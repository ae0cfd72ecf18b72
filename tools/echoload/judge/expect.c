// Checks of a run for scripts. Main thread.
#include "expect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define MOST_COUNT (UINT64_C(1) << 53) // a double holds it exactly
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
	while (expect->relation <= EXPECT_MORE &&
	       !is_word(text + name, relation, relations[expect->relation]))
		expect->relation++;
	if (expect->relation > EXPECT_MORE)
		return error_set(error, ERROR_USAGE, "'%.64s' is no check: " ALLOWED, text);
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

static const struct hdr *distribution(const struct expect *expect, const struct book *book)
{
	const struct hdr *const of[EXPECT_SUBJECTS] = {
		[EXPECT_LATENCY] = &book->latency,
		[EXPECT_UNCORRECTED] = &book->uncorrected,
		[EXPECT_LATENESS] = &book->lateness,
	};
	return of[expect->subject];
}

// NAN: it was not measured.
static double measure_distribution(const struct expect *expect, const struct hdr *hdr)
{
	if (hdr->count == 0)
		return NAN;
	switch (expect->statistic) {
	case EXPECT_MIN:
		return (double)hdr->min;
	case EXPECT_MEAN:
		return hdr_mean(hdr);
	case EXPECT_MAX:
		return (double)hdr->max;
	case EXPECT_PERCENTILE:
		break;
	}
	return hdr_knows(hdr, expect->percent) ? (double)hdr_percentile(hdr, expect->percent) : NAN;
}

// The same.
static double measure(const struct expect *expect, const struct engine_result *result)
{
	const struct book *book = result->book;
	bool verified = result->config->verify;
	bool timed = result->lasted > 0;
	const double plain[EXPECT_SUBJECTS] = {
		[EXPECT_RATE] =
			timed && book->messages > 0 ? engine_rate(result, book->messages) : NAN,
		[EXPECT_BYTES_PER_SECOND] = timed ? engine_rate(result, book->bytes) : NAN,
		[EXPECT_MESSAGES] = (double)book->messages,
		[EXPECT_ERRORS] = (double)load_errors_total(&book->errors),
		[EXPECT_UNANSWERED] = (double)book->unanswered,
		[EXPECT_FAULTS] = verified ? (double)book->fault_count : NAN,
		[EXPECT_BYTES_VERIFIED] = verified ? (double)book->verified : NAN,
	};
	const struct hdr *hdr = distribution(expect, book);
	return hdr ? measure_distribution(expect, hdr) : plain[expect->subject];
}

static bool holds(double value, enum expect_relation relation, double limit)
{
	if (value == limit)
		return relation >= EXPECT_AT_MOST && relation <= EXPECT_AT_LEAST;
	return value < limit ? relation <= EXPECT_AT_MOST : relation >= EXPECT_AT_LEAST;
}

// A duration to the nanosecond, as what missed a limit may have missed it by that.
static void print_value(double value, enum unit unit, char *text, size_t size)
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
	const struct hdr *hdr = distribution(expect, result->book);
	double value = measure(expect, result);
	char text[80];
	if (!isnan(value) && holds(value, expect->relation, expect->limit))
		return true;
	if (!isnan(value))
		print_value(value, subject->unit, text, sizeof(text));
	else if (hdr && hdr->count > 0)
		snprintf(text, sizeof(text), "it takes %.0f samples, there are %" PRIu64,
			 ceil(hdr_samples_for(expect->percent)), hdr->count);
	else
		snprintf(text, sizeof(text), "%s", subject->missing);
	snprintf(line, EXPECT_LINE, "expected %.64s, %s%s", expect->text,
		 isnan(value) ? "which was not measured: " : "measured ", text);
	return false;
}
