// The evidence for the verdict: tools/echoload/judge/evidence, what it makes of usage and counts.
#include "test.h"

#include <math.h>

#include "base/clock.h"
#include "echoload/common/random.h"
#include "echoload/judge/verdict.h"

// A run of 10 s, 10,000 messages a second.
static struct load_config config;
static struct counters counters;
static struct engine_result result;
static struct evidence evidence;
static struct usage usage;
static struct series latencies;

BEFORE_EACH {
	counters_reset(&counters);
	usage = (struct usage){0};
	latencies = (struct series){0};
	config = (struct load_config){.mode = MODE_PING, .connections = 10, .threads = 2};
	counters.messages = 100000;
	result = (struct engine_result){&config, .counters = &counters, .lasted = 10 * NS_PER_S};
}

static void gather(void) {
	result.usage = usage;
	evidence_gather(&evidence, &result, &latencies);
}

TEST(evidence_is_gathered_in_shares) {
	usage = (struct usage){
		2,
		.thread = {{1 * NS_PER_S, 3 * NS_PER_S, .at = 10 * NS_PER_S,
			    .worked = 25 * NS_PER_S / 10},
			   {2 * NS_PER_S, 4 * NS_PER_S, .at = 10 * NS_PER_S, .waited = NS_PER_S}},
		.stalled = NS_PER_S / 4,
		.machine = {NS_PER_S / 2, .wanted = 20 * NS_PER_S, .stolen = NS_PER_S,
			    .idle = 5 * NS_PER_S, .cpus = 2, .waits_known = true},
		.tcp = {10, .retransmits = 57, .needless = 7, .least_round_trip = 150,
			.limited_window = 30, .busy = 40}};
	config.rate = 10000;
	counters.due = 101000;
	load_errors_note(&counters.errors, LOAD_EARLY_CLOSE, 0, 0, 0);
	hdr_record(&counters.lateness, 3 * NS_PER_MS);
	gather();
	assert_true(evidence.thread_busy == 0.6 && evidence.thread_waiting == 0.1);
	assert_true(evidence.stalled == 0.025 && evidence.throttled == 0.05);
	assert_true(evidence.stolen == 0.05);	// of what was wanted, on more than one CPU
	assert_true(evidence.failing == 0.001); // 100 ms, of 10 times 10 s
	assert_true(evidence.offered == 10100 && evidence.lateness_p99 == 3e6);
	assert_true(evidence.window_limited == 0.75);
	assert_true(evidence.retransmitting == 0.1); // 50 times 200 ms, of 10 times 10 s
	assert_true(evidence.least_round_trip == 150e3);
	assert_true(evidence.idle == 0.25); // of two CPUs
	// The system does not tell how long a thread waits, or what its CPUs do.
	usage.machine = (struct usage_machine){.waits_known = false};
	gather();
	assert_true(isnan(evidence.thread_waiting) && isnan(evidence.idle));
	usage.machine.waits_known = true;
	// A closed loop offers no rate. A thread that polls is on a CPU all the time.
	config.rate = 0;
	config.spin = true;
	gather();
	assert_true(evidence.offered == 0);
	assert_true(evidence.thread_busy == 0.25 && evidence.thread_waiting == 0);
}

TEST(no_thread_is_busier_than_all_the_time) {
	usage.machine.waits_known = true;
	usage.threads = 1;
	usage.thread[0] = (struct usage_thread){.at = 100, .user = 52, .system = 50, .waited = 7};
	gather();
	assert_true(evidence.thread_busy == 1 && evidence.thread_waiting == 0);
	usage.thread[0].system = 23;
	usage.thread[0].waited = 99;
	gather();
	assert_true(evidence.thread_busy == 0.75 && evidence.thread_waiting == 0.25);
}

// The share of failing connections when `count` errors of a kind each took up to `timeout`.
static double failing(enum load_error kind, uint64_t count, uint64_t timeout) {
	counters.errors = (struct load_errors){0};
	counters.errors.of[kind].count = count;
	config.timeout = timeout;
	gather();
	return evidence.failing;
}

// Two of four connections come to nothing, in vain waited for each time.
TEST(what_was_waited_for_in_vain_has_failed) {
	config.connections = 4;
	assert_true(failing(LOAD_TIMEOUT, 18, NS_PER_S) == 0.495);
	assert_true(failing(LOAD_TIMEOUT, 18, CLOCK_NEVER) == 0.045); // the kernel has given up
	assert_true(failing(LOAD_CONNECT_TIMEOUT, 18, NS_PER_S) == 0.495);
	assert_true(failing(LOAD_CONNECT_TIMEOUT, 18, CLOCK_NEVER) == 0.045);
	assert_true(failing(LOAD_REFUSED, 18, NS_PER_S) == 0.045);
}

TEST(no_more_fails_than_there_is) {
	assert_true(failing(LOAD_TIMEOUT, 100, 5 * NS_PER_S) == 1);
	assert_true(failing(LOAD_EARLY_CLOSE, 100000, 5 * NS_PER_S) == 1);
}

static double stolen(uint64_t wanted, uint64_t given) {
	usage.machine = (struct usage_machine){.wanted = wanted, .stolen = given};
	gather();
	return evidence.stolen;
}

// A run of 10 s. On a machine that has hardly anything to do, waiting for a CPU costs little.
TEST(what_is_stolen_counts_if_it_was_needed) {
	assert_true(stolen(10 * NS_PER_S, 5 * NS_PER_S) == 0.5);
	assert_true(stolen(NS_PER_S, NS_PER_S / 2) == 0.05);
	assert_true(stolen(100 * NS_PER_S, 5 * NS_PER_S) == 0.05);
	assert_true(stolen(0, 0) == 0);
}

static double retransmitting(uint64_t retransmits, uint64_t needless) {
	usage.tcp =
		(struct usage_tcp){.sockets = 1, .retransmits = retransmits, .needless = needless};
	gather();
	return evidence.retransmitting;
}

TEST(what_was_sent_again_needlessly_was_not_lost) {
	assert_true(retransmitting(10, 10) == 0);
	assert_true(retransmitting(10, 11) == 0);   // of some that were sent before
	assert_true(retransmitting(1000, 11) == 1); // at a time
}

// A run of 40 intervals. A server that is too slow by a share makes latency rise by that
// share of the time.
TEST(latency_rises_or_does_not) {
	static const struct {
		double from, to, wobble; // ms; the last up or down, at random
		bool late;		 // it steps in the midst
		bool rises, steadily;
		unsigned seconds;
	} cases[] = {
		{1, 1, 0.2, false, false, false, 10},  {1, 100, 0.2, false, true, true, 10},
		{1, 12, 0.2, false, true, true, 10},   {1, 4, 0.2, false, false, false, 5},
		{1, 8, 0.2, false, true, true, 10},    {1, 8, 0.2, false, false, false, 20},
		{1, 100, 0.2, true, true, false, 10},  {100, 1, 0.2, false, false, false, 10},
		{1, 12, 100, false, false, false, 10},
	};
	double value[40];
	struct random random = {.state = 9};
	latencies = (struct series){.value = value, .count = COUNT_OF(value)};
	config.rate = 10000;
	counters.due = counters.messages;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (size_t k = 0; k < COUNT_OF(value); k++) {
			double at = cases[i].late ? k >= 20 : (double)k / 39;
			value[k] = 1e6 * (cases[i].from + at * (cases[i].to - cases[i].from) +
					  cases[i].wobble * (2 * random_share(&random) - 1));
		}
		result.lasted = cases[i].seconds * NS_PER_S;
		gather();
		assert_int_equal(evidence.intervals, COUNT_OF(value));
		if ((evidence.rise > 0) != cases[i].rises ||
		    evidence.steadily != cases[i].steadily || evidence.sustained == cases[i].rises)
			fail_msg("case %zu: by %.0f ns, %d, %d", i, evidence.rise,
				 evidence.steadily, evidence.sustained);
	}
}

static bool sustained(uint64_t messages, uint64_t unanswered) {
	counters.messages = messages;
	counters.unanswered = unanswered;
	gather();
	return evidence.sustained;
}

// Messages on their way at the end are no backlog.
TEST(what_was_due_is_answered_or_not) {
	config.rate = 10000;
	counters.due = 100000;
	assert_true(sustained(98999, 0) && !sustained(98998, 0)); // one per cent may be
	hdr_record(&counters.latency, 300 * NS_PER_MS); // so 3,000 are usually on their way
	assert_true(sustained(100000, 0) && sustained(96999, 0));
	assert_false(sustained(96998, 0) || sustained(99999, 1));
}
