// What limited a run: tools/echoload/judge/verdict and experiment, from evidence made by hand.
#include "test.h"

#include <math.h>

#include "base/clock.h"
#include "echoload/judge/verdict.h"
#include "peer.h"
#include "process.h"

// A row overrides fields that EVIDENCE sets, and leaves out those that it does not need.
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

// A closed loop in which the generator waited most of the time, and to which more connections
// brought no more. Nothing is known of the server.
#define EVIDENCE(...)                                                                           \
	{                                                                                       \
		.thread_busy = 0.4, .idle = 0.5, .least_round_trip = 20e3,                      \
		.server = {.load = {NAN, NAN, NAN, NAN, NAN, NAN}, NAN, NAN, NAN},              \
		OUTCOME(NO_MORE), .experiment.connections = 10, .experiment.extra = 5,          \
		.experiment.pairs = 8, .experiment.rate = 640000, .experiment.load = 0.4,       \
		.experiment.least_round_trip = 20e3, .experiment.round_trip = 30e3, __VA_ARGS__ \
	}
#define OUTCOME(name) .experiment.outcome = EXPERIMENT_##name
// All is known of the server.
#define SERVER(...) EVIDENCE(.server = {__VA_ARGS__})
#define OPEN_LOOP(...) EVIDENCE(.offered = 11000, .intervals = 40, __VA_ARGS__)
#define RISES .rise = 1e9, .steadily = true
// Round trips of connects beside the load, and of the path alone.
#define PATH(beside, alone)                                                                 \
	EVIDENCE(.experiment.round_trip = (beside), .experiment.least_round_trip = (alone), \
		 .least_round_trip = (alone))
#define UNCLEAR_LOSS(share, window)                                                       \
	EVIDENCE(.retransmitting = (share), .window_limited = (window), OUTCOME(UNCLEAR), \
		 .experiment.gain = 0.1)
#define EITHER_IS_FULL "SATURATED: what is on the other side is full"
#define UNKNOWN "INCONCLUSIVE: whether more connections bring more "
#define LOST "NETWORK-BOUND: connections waited for segments that the path had lost for "

struct row {
	const char *verdict; // KIND: how one of its first lines begins
	struct evidence evidence;
	uint64_t latency_ms; // of the message; 0: 1 ms
	enum load_mode mode;
	bool spin;
};

static struct load_config config;
static struct counters counters;
static struct engine_result result;

// A run of 10 s.
BEFORE_EACH {
	counters_reset(&counters);
	hdr_record(&counters.latency, NS_PER_MS);
	hdr_record(&counters.uncorrected, NS_PER_MS);
	hdr_record(&counters.lateness, NS_PER_US);
	counters.messages = 100000;
	counters.bytes = 6400000;
	config = (struct load_config){
		.mode = MODE_PING, .connections = 10, .extra = 5, .pipeline = 1, .threads = 2};
	result = (struct engine_result){&config, .counters = &counters, .lasted = 10 * NS_PER_S};
}

// The line is the first if the verdict is INCONCLUSIVE, and else one of the first two.
static void reaches(const char *expected, const struct evidence *evidence) {
	struct verdict verdict;
	verdict_reach(&verdict, &result, evidence);
	const char *kind = verdict_names[verdict.kind], *reason = strstr(expected, ": ") + 2;
	bool said = strncmp(verdict.line[0], reason, strlen(reason)) == 0 ||
		    (verdict.kind != VERDICT_INCONCLUSIVE &&
		     strncmp(verdict.line[1], reason, strlen(reason)) == 0);
	if (strncmp(kind, expected, (size_t)(reason - 2 - expected)) != 0 || !said)
		fail_msg("%s, %s, %s; not %s", kind, verdict.line[0], verdict.line[1], expected);
	assert_int_equal(verdict.needs_experiment,
			 evidence->experiment.outcome == EXPERIMENT_NONE &&
				 !evidence->experiment.why &&
				 strstr(reason, "no experiment") != NULL);
}

static const struct row rows[] = {
	// Nothing can be said.
	{"INCONCLUSIVE: there were connections that failed and were tried again for 30 %",
	 EVIDENCE(.failing = 0.3)},
	// The generator was held up. This is measured directly: no experiment says otherwise.
	{"CLIENT-BOUND: our CPU quota kept us from running for 3 %", {.throttled = 0.03}},
	{"CLIENT-BOUND: our busiest thread had work for 96 % of the time", {.thread_busy = 0.96}},
	{"CLIENT-BOUND: our busiest thread had work for 96 % of the time",
	 {.thread_busy = 0.5, .thread_waiting = 0.46}},
	{"CLIENT-BOUND: others had our CPU for 30 %", {.thread_waiting = 0.3}},
	{"CLIENT-BOUND: we were stopped, or the machine was, for 30 %", {.stalled = 0.3}},
	{"CLIENT-BOUND: our CPUs were never idle", {.thread_busy = 0.5, .thread_waiting = 0.15}},
	{"CLIENT-BOUND: we were late", {.lateness_p99 = 5e6, .thread_waiting = 0.11, .idle = 0.5}},
	{"CLIENT-BOUND: we were late", {.lateness_p99 = 5e6, .thread_waiting = NAN, .idle = 0.5}},
	// It may have been, unless more connections brought more.
	{"INCONCLUSIVE: how long we waited for a CPU could not be seen",
	 EVIDENCE(.thread_waiting = NAN)},
	{"INCONCLUSIVE: others had our CPU for 12 %", EVIDENCE(.thread_waiting = 0.12)},
	{"CONCURRENCY-BOUND: 15 connections instead of 10",
	 EVIDENCE(.thread_waiting = 0.12, OUTCOME(MORE))},
	{"INCONCLUSIVE: the hypervisor let others run for 30 %", EVIDENCE(.stolen = 0.3)},
	{"INCONCLUSIVE: we were stopped, or the machine was, for 12 %", EVIDENCE(.stalled = 0.12)},
	// What the experiment shows.
	{EITHER_IS_FULL, EVIDENCE()},
	{"CONCURRENCY-BOUND: 15 connections instead of 10: rate +0.0 %", EVIDENCE(OUTCOME(MORE))},
	{"INCONCLUSIVE: more connections bring more, but with fewer messages",
	 EVIDENCE(OUTCOME(MORE), .experiment.lighter = true)},
	{"INCONCLUSIVE: more connections bring more, but far less than in",
	 EVIDENCE(OUTCOME(PARTLY), .experiment.lighter = true)},
	{UNKNOWN "is hidden by noise", EVIDENCE(OUTCOME(UNCLEAR), .experiment.lighter = true)},
	{UNKNOWN "is not known: no experiment",
	 EVIDENCE(OUTCOME(NONE), .experiment.lighter = true)},
	{UNKNOWN "is not known: --no",
	 EVIDENCE(OUTCOME(NONE), .experiment.why = "--no-experiment")},
	// The generator had no time in it, or it was made with something else.
	{"INCONCLUSIVE: we were too busy in the experiment to blame others",
	 EVIDENCE(.experiment.load = 0.9)},
	{"INCONCLUSIVE: we were too busy in the experiment to blame others",
	 EVIDENCE(.experiment.load = NAN)},
	// With --spin it always has a CPU.
	{"SATURATED: 15 connections", EVIDENCE(.experiment.load = NAN), .spin = true},
	{"CONCURRENCY-BOUND: 15 connections", EVIDENCE(.experiment.load = NAN, OUTCOME(MORE))},
	{"INCONCLUSIVE: the experiment had another rate than the run",
	 EVIDENCE(.experiment.rate = 1280000)},
	{"INCONCLUSIVE: the experiment had another rate than the run",
	 EVIDENCE(.experiment.rate = 320000)},
	// Each of these alone shows that the server had no more to give; a little less does not.
	{"SERVER-BOUND: the server's process was stopped for 20 %", SERVER(.stopped = 0.2)},
	{EITHER_IS_FULL, SERVER(.stopped = 0.04)},
	{"SERVER-BOUND: its CPU quota kept the server from", SERVER(.load = {.throttled = 0.2})},
	{EITHER_IS_FULL, SERVER(.load = {.throttled = 0.04})},
	{"SERVER-BOUND: the server's busiest thread", SERVER(.load = {.busy = 0.96})},
	{EITHER_IS_FULL, SERVER(.load = {.busy = 0.94})},
	{"SERVER-BOUND: the server's busiest thread had work for 96 % of the time",
	 SERVER(.load = {.busy = 0.5, .waiting = 0.46})},
	{EITHER_IS_FULL, SERVER(.load = {.busy = 0.5, .waiting = 0.44})},
	{"SERVER-BOUND: the server wanted its CPUs, which were never idle, for 120 %",
	 SERVER(.load = {.cpu = 0.5, .wanted = 1.2})},
	{EITHER_IS_FULL, SERVER(.load = {.cpu = 0.5, .wanted = 0.94})},
	{EITHER_IS_FULL, SERVER(.load = {.cpu = 0.5, .wanted = 1.2}, .at_rest = 1)}, // it polls
	// They wait for each other.
	{EITHER_IS_FULL, SERVER(.load = {.cpu = 0.5, .wanted = 1.2, .idle = 0.1})},
	{"SERVER-BOUND: the server's workers were busy", SERVER(.workers_busy = 0.96)},
	{EITHER_IS_FULL, SERVER(.workers_busy = 0.94)},
	{EITHER_IS_FULL, SERVER(.load = {.cpu = 0.1, .busy = 0.1}, .workers_busy = 0.1)},
	// It polls.
	{"SERVER-BOUND: the server's busiest thread",
	 SERVER(.load = {.cpu = 1, .busy = 1}, .workers_busy = 0.1)},
	{EITHER_IS_FULL, SERVER(.load = {.cpu = 1, .busy = 1}, .workers_busy = 0.1, .at_rest = 1)},
	// Where pauses of the server make the experiment unclear, they are what was measured.
	{"SERVER-BOUND: the server's process was stopped for 30 %",
	 EVIDENCE(OUTCOME(UNCLEAR), .server = {.stopped = 0.3})},
	{"SERVER-BOUND: the server wanted its CPUs",
	 EVIDENCE(OUTCOME(UNCLEAR), .server = {.load = {.cpu = 0.5, .wanted = 1.2}})},
	{UNKNOWN, EVIDENCE(OUTCOME(UNCLEAR), .server = {.load = {.cpu = 0.8, .wanted = 0.98}})},
	{UNKNOWN, EVIDENCE(OUTCOME(UNCLEAR),
			   .server = {{.busy = 1, .throttled = 0.24}, 0.24, .workers_busy = 1})},
	// The path: connects take less than half of the latency, or more, or it is long.
	{EITHER_IS_FULL, PATH(20e6, 20e3), .latency_ms = 50},
	{"NETWORK-BOUND: the path is full: connects beside the load took 40.0 ms, else 20.0 us",
	 EVIDENCE(.experiment.round_trip = 40e6, .experiment.least_round_trip = 39e6),
	 .latency_ms = 50},
	{EITHER_IS_FULL, PATH(40e6, 39e6), .latency_ms = 50},
	{EITHER_IS_FULL,
	 EVIDENCE(.least_round_trip = 0, .experiment.round_trip = 30e6,
		  .experiment.least_round_trip = 20e6),
	 .latency_ms = 25},
	// A stream waits in our own socket, too. A receiver that does not read is not the path.
	{"NETWORK-BOUND: the path is full", PATH(20e6, 1e6), .latency_ms = 50, .mode = MODE_STREAM},
	{LOST "25 %", EVIDENCE(.retransmitting = 0.25)},
	{UNKNOWN, UNCLEAR_LOSS(0.25, 0)},
	{LOST "40 %", UNCLEAR_LOSS(0.4, 0)},
	// A receiver that is behind, or a backlog that is full, is not the path either.
	{UNKNOWN, UNCLEAR_LOSS(0.4, 0.6)},
	{UNKNOWN, UNCLEAR_LOSS(0.4, 0), .mode = MODE_CHURN},
	// Both are full.
	{"SATURATED: 15 connections", EVIDENCE(.retransmitting = 0.25, .server.stopped = 0.1)},
	// An open loop.
	{"OVERLOADED: 11000 messages a second were due, 10000 answered; latency rose",
	 OPEN_LOOP(RISES)},
	{"INCONCLUSIVE: latency rose, but not steadily", OPEN_LOOP(.rise = 1e9)},
	{"INCONCLUSIVE: messages were not answered in time", OPEN_LOOP()},
	{"RATE-LIMITED: 11000 messages a second were due", OPEN_LOOP(.sustained = true)},
	// That all were answered has been seen.
	{"RATE-LIMITED: 11000 messages a second were due",
	 OPEN_LOOP(.sustained = true, .thread_waiting = NAN)},
	{"INCONCLUSIVE: too short to tell whether latency rises",
	 OPEN_LOOP(.sustained = true, .intervals = 7)},
	// Messages that wait for a connection of ours may not wait for the server.
	{"OVERLOADED: 15 connections instead of 10", OPEN_LOOP(RISES), .latency_ms = 1000},
	{"CONCURRENCY-BOUND: 15 connections instead of 10", OPEN_LOOP(RISES, OUTCOME(MORE)),
	 .latency_ms = 1000},
	{UNKNOWN "is hidden by noise", OPEN_LOOP(RISES, OUTCOME(UNCLEAR)), .latency_ms = 1000},
	{"OVERLOADED: its CPU quota kept the server from running for 80 %",
	 OPEN_LOOP(RISES, OUTCOME(UNCLEAR), .server.load.throttled = 0.8), .latency_ms = 1000},
	{UNKNOWN "is not known: no experiment", OPEN_LOOP(RISES, OUTCOME(NONE)),
	 .latency_ms = 1000},
};

TEST_ROWS(the_verdict, const struct row *row, rows) {
	config.rate = row->evidence.offered;
	config.mode = row->mode;
	config.spin = row->spin;
	if (row->latency_ms > 0) {
		hdr_reset(&counters.latency);
		hdr_record(&counters.latency, row->latency_ms * NS_PER_MS);
	}
	reaches(row->verdict, &row->evidence);
}

TEST(what_was_counted_decides) {
	static const struct evidence evidence = EVIDENCE(), none = {0};
	result.lasted = NS_PER_S - 1;
	reaches("INCONCLUSIVE: too short to tell", &evidence);
	before_each();
	counters.messages = counters.bytes = 0;
	reaches("INCONCLUSIVE: nothing came back", &evidence);
	static const char out_of[] = "CLIENT-BOUND: we ran out of what this machine gives us: ";
	for (enum load_error kind = LOAD_OUT_OF_PORTS; kind <= LOAD_OUT_OF_MEMORY; kind++) {
		before_each();
		load_errors_note(&counters.errors, kind, 0, 1, 0);
		reaches(test_text("%s%s", out_of, load_error_rows[kind].name), &none);
	}
}

// Gains of 15 connections over 10, which in proportion are a half.
TEST(pairs_are_judged) {
	static const struct {
		double gains[9];
		enum experiment_outcome outcome;
	} cases[] = {
		{{0.4, 0.5, 0.3, 0.6, 0.4, 0.5, 0.45, 0.55, 0.26}, EXPERIMENT_MORE},
		{{0.01, -0.01, 0.02, 0, 0.01, 0.09, -0.5, 0, 0.03}, EXPERIMENT_NO_MORE},
		{{-0.3, -0.4, -0.3, -0.4, -0.3, -0.3, -0.2, -0.3, -0.4}, EXPERIMENT_NO_MORE},
		{{0.15, 0.2, 0.24, 0.11, 0.2, 0.15, 0.2, 0.2, 0.2}, EXPERIMENT_PARTLY},
		{{0.09, 0.10, 0.11, 0.10, 0.09, 0.1, 0.1, 0.1, 0.1}, EXPERIMENT_UNCLEAR},
		{{0.2, 0.3, 0.3, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4}, EXPERIMENT_UNCLEAR},
		{{0.9, -0.4, 0.9, -0.4, 0.9, 0.4, 0.5, 0.5, 0.5}, EXPERIMENT_UNCLEAR},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct experiment experiment = {.connections = 10, .extra = 5, .pairs = 9};
		experiment_judge(&experiment, cases[i].gains);
		if (experiment.outcome != cases[i].outcome)
			fail_msg("case %zu: %d", i, (int)experiment.outcome);
		experiment.pairs = 8; // too few for any
		experiment_judge(&experiment, cases[i].gains);
		assert_int_equal(experiment.outcome, EXPERIMENT_UNCLEAR);
	}
}

// Slices of an experiment are played.
static const struct experience {
	const char *name; // why there is no outcome, or any
	enum experiment_outcome outcome;
	uint64_t bytes[2], faults, time; // without and with the added connections; with them
} experiences[] = {
	{"more", EXPERIMENT_MORE, {1000, 1500}, 0, PATIENCE},
	{"no more", EXPERIMENT_NO_MORE, {1000, 1000}, 0, PATIENCE},
	{"messages were lost, or connections refused, when some were added",
	 0,
	 {9, 9},
	 3,
	 PATIENCE},
	{"the experiment was broken off", 0, {1000, 0}, 0, PATIENCE},
	{"the experiment took too long", 0, {1000, 1500}, 0, 50 * NS_PER_MS},
};

static const struct experience *played;
static int listener; // at the target; in the first slice it is connected to
static unsigned connects;

WRAP(int, engine_slice,
     (struct engine * engine, uint64_t groups, uint64_t duration, struct counters *into,
      uint64_t *lasted)) {
	if (engine)
		return __real_engine_slice(engine, groups, duration, into, lasted);
	for (int fd; connects > 0; connects--, close(fd))
		wait_until((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	into->bytes = played->bytes[groups == 3];
	into->fault_count = groups == 3 ? played->faults : 0;
	into->errors.of[LOAD_MISMATCH].count = into->fault_count;
	*lasted = duration;
	return 0;
}

TEST_ROWS(experiment, const struct experience *row, experiences) {
	struct experiment experiment;
	uint16_t port;
	listener = peer_listen(SOCK_NONBLOCK, 9, &port);
	config.target_count = 1;
	config.targets[0] = peer_endpoint(test_text("127.0.0.1:%u", port));
	played = row;
	connects = 4;
	counters_reset(&counters);
	experiment_make(&experiment, NULL, &config, NS_PER_MS, row->time, &counters);
	close(listener);
	assert_int_equal(experiment.outcome, row->outcome);
	assert_string_equal(row->outcome ? row->name : experiment.why, row->name);
	assert_int_equal(counters.fault_count, row->faults);
	assert_int_equal(counters.errors.of[LOAD_MISMATCH].count, row->faults);
	assert_int_equal(counters.bytes, 0);
	assert_true(experiment.least_round_trip <= experiment.round_trip);
	assert_true(experiment.why || (experiment.pairs < 64 && experiment.rate == 1e6 &&
				       experiment.low + 1 == (double)row->bytes[1] / 1000));
}
