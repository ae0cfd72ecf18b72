// Scenario: the open loop against a server that stands still for 200 ms of each second. The latency
// that echoload reports is what a client has whose messages are due at constant times.
#include <time.h>

#include "base/cmdline.h"
#include "crowd.h"
#include "load.h"
#include "odd_server.h"

#define RATE 1000
#define SECONDS 5
#define DUE ((size_t)RATE * SECONDS)
#define STOP (200 * NS_PER_MS)
// For a run that they do not disturb. Under a sanitizer, where times mean little, one is enough.
#define PATIENCE_WITH_OTHERS ((sizeof(ECHOD_SANITIZE) > 1 ? 5 : 60) * NS_PER_S)
// From which others disturbed a run: p99 of the generator's lateness, in ns, and the shares of the
// time in which a thread of either end wanted a CPU that another had, or that the host had taken.
// One wait of 50 ms right after a stop, 1 % of the run, moves the p99.
#define LATE 1e6
#define WAITED 0.004
#define STOLEN 0.02

static uint64_t wall_clock(void) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

// When recording began, on the clock of the server's spans.
static uint64_t began(const json_t *result) {
	const json_t *run = json_array_get(load_member(result, "runs"), 0);
	return clock_now() - (wall_clock() - load_count(run, "started_us") * NS_PER_US);
}

// How long a message that is due then waits for the server, which may stand still again at once.
static uint64_t waits(const struct odd_span *spans, size_t count, uint64_t due) {
	uint64_t served = due;
	for (size_t i = 0; i < count; i++)
		if (served >= spans[i].from && served < spans[i].to)
			served = spans[i].to;
	return served - due;
}

// The p99 that follows from when the server stood still, planned or not.
static double analytic_p99(const struct odd_server *server, uint64_t begin) {
	static uint64_t latency[DUE];
	size_t count;
	const struct odd_span *spans = odd_spans(server, &count);
	for (size_t i = 0; i < DUE; i++)
		latency[i] = waits(spans, count, begin + i * NS_PER_S / RATE);
	return (double)percentile_99(latency, DUE);
}

// The stops are those that were planned: one a second, of about that length as others may have the
// CPU when one begins or ends. The first one may have begun before the server did.
static void expect_stops(const struct odd_server *server) {
	size_t count, long_ones = 0;
	const struct odd_span *spans = odd_spans(server, &count);
	for (size_t i = 0; i < count; i++)
		long_ones += spans[i].to - spans[i].from > STOP / 10 * 9;
	assert_true(long_ones >= SECONDS - 1);
}

static void expect_all_counted(const json_t *result) {
	assert_int_equal(load_errors(result, NULL), 0);
	assert_int_equal(load_count(result, "evidence.unanswered"), 0);
	assert_int_equal(load_count(result, "histogram.uncorrected.count"),
			 load_count(result, "histogram.latency.count"));
	// Each connection has its share of them, up to one more or fewer.
	assert_in_range(load_count(result, "histogram.latency.count"), DUE - 4, DUE + 4);
}

struct outcome {
	double analytic, p99, uncorrected, lateness, waited, stolen;
};

static bool is_disturbed(const struct outcome *outcome) {
	return outcome->lateness > LATE || outcome->waited > WAITED || outcome->stolen > STOLEN;
}

static struct outcome run_once(const struct odd_server *server) {
	json_t *result =
		load_run(EXIT_OK, server->address, "-c", "4", "--rate", "1000", "-d", "5s");
	expect_stops(server);
	expect_all_counted(result);
	struct outcome outcome = {.analytic = analytic_p99(server, began(result)),
				  .p99 = load_number(result, "latency_ns.p99"),
				  .uncorrected = load_number(result, "latency_uncorrected_ns.p99"),
				  .lateness = load_number(result, "evidence.lateness_p99_ns"),
				  .waited = load_number(result, "evidence.thread_waiting") +
					    load_number(result, "evidence.server.thread_waiting"),
				  .stolen = load_number(result, "evidence.stolen")};
	print_message("analytic %.2f ms, reported %.2f ms, uncorrected %.2f ms, late %.2f ms, "
		      "waited %.4f, stolen %.3f\n",
		      outcome.analytic / 1e6, outcome.p99 / 1e6, outcome.uncorrected / 1e6,
		      outcome.lateness / 1e6, outcome.waited, outcome.stolen);
	return outcome;
}

TEST(latency_counts_from_when_it_was_due) {
	struct outcome outcome;
	bool right;
	uint64_t until = clock_deadline(PATIENCE_WITH_OTHERS);
	do {
		struct odd_server *server =
			odd_server(ODD_ECHOES, .stop_every = NS_PER_S, .stop_for = STOP);
		outcome = run_once(server);
		assert_true(outcome.analytic > 180e6);
		right = outcome.p99 < 1.05 * outcome.analytic &&
			outcome.uncorrected * 10 < outcome.analytic;
		// What disturbs makes the latency longer, never shorter.
		assert_true(outcome.p99 > 0.95 * outcome.analytic);
	} while (!right && is_disturbed(&outcome) && clock_now() < until);
	if (!right && !is_disturbed(&outcome))
		fail_msg("p99 %.2f ms, uncorrected %.2f ms, where %.2f ms follow from the stops",
			 outcome.p99 / 1e6, outcome.uncorrected / 1e6, outcome.analytic / 1e6);
}

TEST(a_server_that_stands_still_when_all_connect_is_found) {
	struct odd_server *server =
		odd_server(ODD_ECHOES, .stop_every = NS_PER_S, .stop_for = STOP);
	const struct timespec begin = {.tv_sec = (time_t)(clock_now() / NS_PER_S) + 1};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &begin, NULL);
	const json_t *result =
		load_run(EXIT_OK, server->address, "-c", "4", "--rate", "100", "-d", "2s");
	load_number(result, "evidence.server.cpu");
}
