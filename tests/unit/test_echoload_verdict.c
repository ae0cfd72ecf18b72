// What limited a run: tools/echoload/judge/verdict and experiment, from evidence made by hand.
#include "test.h"

#include <math.h>

#include "base/clock.h"
#include "echoload/judge/verdict.h"

static struct load_config config;
static struct counters counters;
static struct engine_result result;
static struct evidence evidence;

// A closed loop of 10 s in which the generator waited most of the time, and to which more
// connections brought no more. Nothing is known of the server.
static void begin(void) {
	counters_reset(&counters);
	hdr_record(&counters.latency, NS_PER_MS);
	hdr_record(&counters.uncorrected, NS_PER_MS);
	hdr_record(&counters.lateness, NS_PER_US);
	counters.messages = 100000;
	counters.bytes = 6400000;
	config = (struct load_config){
		.mode = MODE_PING, .connections = 10, .extra = 5, .pipeline = 1, .threads = 2};
	result = (struct engine_result){
		.config = &config, .counters = &counters, .lasted = 10 * NS_PER_S};
	evidence = (struct evidence){
		.thread_busy = 0.4,
		.idle = 0.5,
		.least_round_trip = 20e3,
		.server = {.load = PROCESSES_LOAD_UNKNOWN,
			   .stopped = NAN,
			   .workers_busy = NAN,
			   .at_rest = NAN},
		.experiment = {.outcome = EXPERIMENT_NO_MORE,
			       .connections = 10,
			       .extra = 5,
			       .pairs = 8,
			       .rate = 640000,
			       .load = 0.4,
			       .least_round_trip = 20e3,
			       .round_trip = 30e3},
	};
}

FIXTURE(begin, NULL);

// All that is known of a server with nothing to do.
static void see_idle_server(void) {
	evidence.server = (struct server_view){.load = {.cpu = 0.1, .busy = 0.1, .waiting = 0},
					       .workers_busy = 0.1};
}

// An open loop in which latency rose.
static void overload(void) {
	config.rate = evidence.offered = 11000;
	evidence.intervals = 40;
	evidence.rise = 1e9;
	evidence.steadily = true;
}

// Asserts the verdict, and that one of its lines begins with `reason`: the first if it is
// INCONCLUSIVE, and else one of the first two.
static void reaches(enum verdict_kind kind, const char *reason) {
	struct verdict verdict;
	verdict_reach(&verdict, &result, &evidence);
	bool said = strncmp(verdict.line[0], reason, strlen(reason)) == 0 ||
		    (kind != VERDICT_INCONCLUSIVE &&
		     strncmp(verdict.line[1], reason, strlen(reason)) == 0);
	if (verdict.kind != kind || !said)
		fail_msg("%s, %s, %s; not %s, %s", verdict_names[verdict.kind], verdict.line[0],
			 verdict.line[1], verdict_names[kind], reason);
	assert_int_equal(verdict.needs_experiment, evidence.experiment.outcome == EXPERIMENT_NONE &&
							   !evidence.experiment.why &&
							   strstr(reason, "no experiment") != NULL);
}

TEST(what_tells_nothing) {
	result.lasted = NS_PER_S - 1;
	reaches(VERDICT_INCONCLUSIVE, "too short to tell");
	begin();
	counters.messages = counters.bytes = 0;
	reaches(VERDICT_INCONCLUSIVE, "nothing came back");
	begin();
	evidence.failing = 0.3;
	reaches(VERDICT_INCONCLUSIVE,
		"there were connections that failed and were tried again for 30 %");
}

// Measured directly: no experiment says otherwise.
TEST(a_generator_that_is_held_up) {
	static const struct {
		struct evidence evidence;
		const char *reason;
	} cases[] = {
		{{.throttled = 0.03}, "our CPU quota kept us from running for 3 %"},
		{{.thread_busy = 0.96}, "our busiest thread had work for 96 % of the time"},
		{{.thread_busy = 0.5, .thread_waiting = 0.46},
		 "our busiest thread had work for 96 % of the time"},
		{{.thread_waiting = 0.3}, "others had our CPU for 30 %"},
		{{.stalled = 0.3}, "we were stopped, or the machine was, for 30 %"},
		{{.thread_busy = 0.5, .thread_waiting = 0.15}, "our CPUs were never idle"},
		{{.lateness_p99 = 5e6, .thread_waiting = 0.11, .idle = 0.5}, "we were late"},
		{{.lateness_p99 = 5e6, .thread_waiting = NAN, .idle = 0.5}, "we were late"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		evidence = cases[i].evidence;
		reaches(VERDICT_CLIENT_BOUND, cases[i].reason);
	}
	begin();
	load_errors_note(&counters.errors, LOAD_OUT_OF_PORTS, 0, 1, 0);
	reaches(VERDICT_CLIENT_BOUND, "we ran out of what this machine gives us: out_of_ports");
}

TEST(a_generator_that_may_have_been_held_up) {
	evidence.thread_waiting = NAN;
	reaches(VERDICT_INCONCLUSIVE, "how long we waited for a CPU could not be seen");
	begin();
	evidence.thread_waiting = 0.12;
	reaches(VERDICT_INCONCLUSIVE, "others had our CPU for 12 %");
	evidence.experiment.outcome = EXPERIMENT_MORE; // then it did not matter
	reaches(VERDICT_CONCURRENCY_BOUND, "15 connections instead of 10");
	begin();
	evidence.stolen = 0.3;
	reaches(VERDICT_INCONCLUSIVE, "the hypervisor let others run for 30 %");
	begin();
	evidence.stalled = 0.12;
	reaches(VERDICT_INCONCLUSIVE, "we were stopped, or the machine was, for 12 %");
}

TEST(what_the_experiment_shows) {
	reaches(VERDICT_SATURATED, "what is on the other side is full");
	evidence.experiment.outcome = EXPERIMENT_MORE;
	reaches(VERDICT_CONCURRENCY_BOUND, "15 connections instead of 10: rate +0.0 %");
	evidence.experiment.lighter = true;
	reaches(VERDICT_INCONCLUSIVE, "more connections bring more, but with fewer messages");
	evidence.experiment.outcome = EXPERIMENT_PARTLY;
	reaches(VERDICT_INCONCLUSIVE, "more connections bring more, but far less than in");
	evidence.experiment.outcome = EXPERIMENT_UNCLEAR;
	reaches(VERDICT_INCONCLUSIVE, "whether more connections bring more could not be told");
	evidence.experiment.outcome = EXPERIMENT_NONE;
	reaches(VERDICT_INCONCLUSIVE, "whether more connections bring more is not known: no "
				      "experiment");
	evidence.experiment.why = "--no-experiment";
	reaches(VERDICT_INCONCLUSIVE, "whether more connections bring more is not known: --no");
}

// An experiment in which the generator had no time, or that was made with something else.
TEST(what_the_experiment_does_not_show) {
	evidence.experiment.load = 0.9;
	reaches(VERDICT_INCONCLUSIVE, "we were too busy in the experiment to blame others");
	evidence.experiment.load = NAN;
	reaches(VERDICT_INCONCLUSIVE, "we were too busy in the experiment to blame others");
	config.spin = true; // always on a CPU
	reaches(VERDICT_SATURATED, "15 connections");
	config.spin = false;
	evidence.experiment.outcome = EXPERIMENT_MORE; // as we could do
	reaches(VERDICT_CONCURRENCY_BOUND, "15 connections");
	begin();
	evidence.experiment.rate *= 2;
	reaches(VERDICT_INCONCLUSIVE, "the experiment had another rate than the run");
}

// Each of these alone shows that the server had no more to give; a little less does not.
TEST(a_server_that_is_full) {
	static const struct {
		struct server_view enough, less;
		const char *reason;
	} cases[] = {
		{{.stopped = 0.2}, {.stopped = 0.04}, "the server's process was stopped for 20 %"},
		{{.load = {.throttled = 0.2}},
		 {.load = {.throttled = 0.04}},
		 "its CPU quota kept the server from"},
		{{.load = {.busy = 0.96}}, {.load = {.busy = 0.94}}, "the server's busiest thread"},
		{{.load = {.busy = 0.5, .waiting = 0.46}},
		 {.load = {.busy = 0.5, .waiting = 0.44}},
		 "the server's busiest thread had work for 96 % of the time"},
		{{.load = {.cpu = 0.5, .wanted = 1.2}},
		 {.load = {.cpu = 0.5, .wanted = 0.94}},
		 "the server wanted its CPUs, which were never idle, for 120 %"},
		{{.load = {.cpu = 0.5, .wanted = 1.2}},
		 {.load = {.cpu = 0.5, .wanted = 1.2, .idle = 0.1}}, // they wait for each other
		 "the server wanted its CPUs, which were never idle, for 120 %"},
		{{.workers_busy = 0.96}, {.workers_busy = 0.94}, "the server's workers were busy"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin();
		evidence.server = cases[i].enough;
		reaches(VERDICT_SERVER_BOUND, cases[i].reason);
		evidence.server = cases[i].less;
		reaches(VERDICT_SATURATED, "what is on the other side is full");
	}
	// Where pauses of the server make the experiment unclear, they are what was measured.
	evidence.experiment.outcome = EXPERIMENT_UNCLEAR;
	evidence.server = (struct server_view){.stopped = 0.3};
	reaches(VERDICT_SERVER_BOUND, "the server's process was stopped for 30 %");
	evidence.server = (struct server_view){.load = {.cpu = 0.5, .wanted = 1.2}};
	reaches(VERDICT_SERVER_BOUND, "the server wanted its CPUs");
	evidence.server.load.wanted = 0.98;
	evidence.server.load.cpu = 0.8;
	reaches(VERDICT_INCONCLUSIVE, "whether more connections");
}

TEST(a_server_that_polls) {
	see_idle_server();
	evidence.server.load = (struct processes_load){.cpu = 1, .busy = 1};
	reaches(VERDICT_SERVER_BOUND, "the server's busiest thread");
	evidence.server.at_rest = 1;
	reaches(VERDICT_SATURATED, "what is on the other side is full");
}

TEST(a_server_with_time_proves_nothing) {
	see_idle_server();
	reaches(VERDICT_SATURATED, "what is on the other side is full");
}

TEST(a_path_that_is_full) {
	hdr_reset(&counters.latency);
	hdr_record(&counters.latency, 50 * NS_PER_MS);
	evidence.experiment.round_trip = 20e6; // less than half of the latency
	reaches(VERDICT_SATURATED, "what is on the other side");
	evidence.experiment.round_trip = 40e6;
	reaches(VERDICT_NETWORK_BOUND, "the path is full: connects beside the load took 40.0 ms");
	evidence.experiment.least_round_trip = evidence.least_round_trip = 39e6; // long, not full
	reaches(VERDICT_SATURATED, "what is on the other side");
	// A stream waits in our own socket, too. A receiver that does not read is not the path.
	evidence.experiment.least_round_trip = evidence.least_round_trip = 1e6;
	evidence.experiment.round_trip = 20e6;
	config.mode = MODE_STREAM;
	reaches(VERDICT_NETWORK_BOUND, "the path is full");
	begin();
	evidence.retransmitting = 0.25;
	reaches(VERDICT_NETWORK_BOUND,
		"connections waited for segments that the path had lost for 25 %");
	evidence.experiment.outcome = EXPERIMENT_UNCLEAR;
	evidence.experiment.gain = 0.1;
	reaches(VERDICT_INCONCLUSIVE, "whether more connections");
	evidence.retransmitting = 0.4;
	reaches(VERDICT_NETWORK_BOUND,
		"connections waited for segments that the path had lost for 40 %");
	evidence.window_limited = 0.6; // a receiver that is behind
	reaches(VERDICT_INCONCLUSIVE, "whether more connections");
	evidence.window_limited = 0;
	config.mode = MODE_CHURN; // a backlog that is full
	reaches(VERDICT_INCONCLUSIVE, "whether more connections");
	// Both full.
	begin();
	evidence.retransmitting = 0.25;
	evidence.server.stopped = 0.1;
	reaches(VERDICT_SATURATED, "15 connections");
}

TEST(an_open_loop) {
	overload();
	reaches(VERDICT_OVERLOADED,
		"11000 messages a second were due, 10000 answered; latency rose");
	evidence.steadily = false;
	reaches(VERDICT_INCONCLUSIVE, "latency rose, but not steadily");
	evidence.rise = 0;
	reaches(VERDICT_INCONCLUSIVE, "messages were not answered in time");
	evidence.sustained = true;
	reaches(VERDICT_RATE_LIMITED, "11000 messages a second were due");
	evidence.thread_waiting = NAN; // that all were answered has been seen
	reaches(VERDICT_RATE_LIMITED, "11000 messages a second were due");
	evidence.thread_waiting = 0;
	evidence.intervals = 7;
	reaches(VERDICT_INCONCLUSIVE, "too short to tell whether latency rises");
}

// Messages that wait for a connection of ours may not wait for the server.
TEST(an_open_loop_with_few_connections) {
	overload();
	hdr_record(&counters.latency, NS_PER_S);
	reaches(VERDICT_OVERLOADED, "15 connections instead of 10");
	evidence.experiment.outcome = EXPERIMENT_MORE;
	reaches(VERDICT_CONCURRENCY_BOUND, "15 connections instead of 10");
	evidence.experiment.outcome = EXPERIMENT_UNCLEAR;
	reaches(VERDICT_INCONCLUSIVE, "whether more connections bring more could not be told");
	evidence.server.load.throttled = 0.8;
	reaches(VERDICT_OVERLOADED, "its CPU quota kept the server from running for 80 %");
	evidence.server.load.throttled = NAN;
	evidence.experiment.outcome = EXPERIMENT_NONE;
	reaches(VERDICT_INCONCLUSIVE, "whether more connections bring more is not known: no "
				      "experiment");
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
