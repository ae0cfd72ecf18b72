// Checks of a run: tools/echoload/judge/expect.
#include "echoload/judge/expect.h"
#include "process.h"

static struct load_config config;
static struct counters counters;
static struct engine_result result;

// A run of 10 s in an open loop: latencies of 1 to 1000 us, uncorrected ones of 7 us, the generator
// never late; 500,000 messages of 64 bytes.
BEFORE_EACH {
	counters_reset(&counters);
	for (uint64_t us = 1; us <= 1000; us++) {
		hdr_record(&counters.latency, us * NS_PER_US);
		hdr_record(&counters.uncorrected, 7 * NS_PER_US);
		hdr_record(&counters.lateness, 0);
	}
	counters.messages = 500000;
	counters.bytes = 32000000;
	counters.verified = 32000000;
	config.verify = true;
	result = (struct engine_result){&config, .counters = &counters, .lasted = 10 * NS_PER_S};
}

static char line[EXPECT_LINE];

static bool check(const char *text) {
	struct expect expect;
	struct echod_error error;
	if (expect_parse(text, &expect, &error) != 0)
		fail_msg("%s", error.message);
	line[0] = '\0';
	return expect_judge(&expect, &result, line);
}

static void holds(const char *text) {
	if (!check(text))
		fail_msg("%s", line);
	assert_string_equal(line, "");
}

// `measured` is how the line goes on after what was expected.
static void misses(const char *text, const char *measured) {
	if (check(text))
		fail_msg("'%s' holds", text);
	assert_string_equal(line, test_text("expected %s, %s", text, measured));
}

TEST(every_relation_knows_its_limit) {
	static const struct {
		const char *relation;
		bool holds[3]; // with 49999, 50000 and 50001 a second
	} cases[] = {
		{"<", {true, false, false}},  {"<=", {true, true, false}},
		{"==", {false, true, false}}, {">=", {false, true, true}},
		{">", {false, false, true}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (size_t j = 0; j < 3; j++) {
			counters.messages = 499990 + 10 * j;
			assert_int_equal(check(test_text("rate%s50k", cases[i].relation)),
					 cases[i].holds[j]);
		}
	}
}

// The median is the largest value of its bucket.
TEST(everything_can_be_checked) {
	const char *const *checks =
		STRINGS("p50<=501us", "p50>=500us", "p99.9<1s", "p100==1ms", "min==1us",
			"mean==500.5us", "max==1ms", "uncorrected.p99<8us", "uncorrected.max==7us",
			"lateness.p99.9==0", "rate==50k", "rate<0.06m", "bytes_per_second==3200000",
			"bytes_per_second<4m", "messages==500000", "errors==0", "unanswered==0",
			"faults==0", "bytes_verified>=30m");
	for (; *checks; checks++)
		holds(*checks);
}

TEST(a_miss_says_what_was_measured) {
	load_errors_note(&counters.errors, LOAD_EARLY_CLOSE, 0, 1, 0);
	load_errors_note(&counters.errors, LOAD_SHORT, 0, 1, 0);
	counters.fault_count = 3;
	counters.unanswered = 7;
	hdr_record(&counters.latency, 1500 * NS_PER_MS + 1);
	misses("errors==0", "measured 2");
	misses("unanswered<7", "measured 7");
	misses("faults<1", "measured 3");
	misses("uncorrected.p99<7us", "measured 7.000 us");
	misses("max<1ms", "measured 1.500000001 s");
	misses("rate>50k", "measured 50000.000 messages a second");
	misses("messages>1000000", "measured 500000");
	misses("bytes_verified>1g", "measured 32000000 bytes");
	misses("bytes_per_second>1g", "measured 3200000 bytes a second");
}

TEST(a_miss_by_a_nanosecond_is_seen) {
	hdr_reset(&counters.latency);
	hdr_record(&counters.latency, 200001);
	misses("max<=200us", "measured 200.001 us");
	hdr_reset(&counters.latency);
	hdr_record(&counters.latency, 5000001);
	misses("p100<=5ms", "measured 5.000001 ms");
}

TEST(what_was_not_measured_never_holds) {
	hdr_reset(&counters.latency);
	hdr_reset(&counters.uncorrected);
	hdr_reset(&counters.lateness);
	config.verify = false;
	counters.verified = 0;
	misses("p99<5ms", "which was not measured: no message came back");
	misses("max>=0", "which was not measured: no message came back");
	misses("uncorrected.p50<1s", "which was not measured: only the open loop (--rate) has it");
	misses("lateness.mean<1s", "which was not measured: only the open loop (--rate) has it");
	misses("faults==0", "which was not measured: --no-verify was given");
	misses("bytes_verified==0", "which was not measured: --no-verify was given");
}

// A percentile is one only where at least one sample lies beyond it.
TEST(a_percentile_takes_its_samples) {
	static const struct {
		const char *percentile;
		unsigned needed;
	} cases[] = {{"p50", 2},      {"p75", 4},	 {"p99", 100},
		     {"p99.9", 1000}, {"p99.99", 10000}, {"p100", 1}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		hdr_reset(&counters.latency);
		for (unsigned count = 1; count < cases[i].needed; count++)
			hdr_record(&counters.latency, NS_PER_US);
		const char *text = test_text("%s<1s", cases[i].percentile);
		const char *why = test_text(": it takes %u samples, there are %u", cases[i].needed,
					    cases[i].needed - 1);
		assert_false(check(text));
		assert_true(counters.latency.count == 0 || strstr(line, why));
		hdr_record(&counters.latency, NS_PER_US);
		holds(text);
	}
}

TEST(a_run_without_time_has_no_rate) {
	const char *const *checks = STRINGS("rate>0", "rate<5", "rate==0", "bytes_per_second<1");
	result.lasted = 0;
	for (; *checks; checks++)
		assert_false(check(*checks));
	result.lasted = 1;
	counters.messages = 0;
	misses("rate<5", "which was not measured: no message came back");
}

TEST(nonsense_is_refused) {
	const char *const *bad = STRINGS(
		"", "p99", "p99<", "<5ms", "p99=5ms", "p99=<5ms", "p99<>5ms", "p99!=5ms", "p99<5",
		"p99<5k", "p0<5ms", "p101<5ms", "p<5ms", "p9x<5ms", "p-1<5ms", "q99<5ms",
		"latency<5ms", "uncorrected<5ms", "uncorrected.<5ms", "lateness.p99.9.9<5ms",
		"rate>50g", "rate>-1", "errors==none", "errors==0.5", "errors==1k", "faults==-1",
		"bytes_verified>1t", "p99 < 5ms", "rate>50k/s", "rate.p99<5ms", "P99<5ms");
	for (; *bad; bad++) {
		struct expect expect;
		struct echod_error error = {0};
		if (expect_parse(*bad, &expect, &error) == 0)
			fail_msg("'%s' was taken", *bad);
		assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
		assert_null(strchr(error.message, '\n'));
		assert_true(strlen(error.message) > 0);
	}
}
