// What limited a run, as far as it depends on what is known of the server:
// tools/echoload/judge/verdict, from evidence made by hand.
#include "unit.h"

#include "base/clock.h"
#include "echoload_case.h"

// Each of these alone shows that the server had no more to give; a little less does not.
static void a_server_in_need_is_server_bound(void **state)
{
	static const struct {
		struct far_end_view enough, less;
		const char *reason;
	} needs[] = {
		{{.stopped = 0.2}, {.stopped = 0.04}, "the server's process was stopped for 20 %"},
		{{.throttled = 0.2}, {.throttled = 0.04}, "its CPU quota kept the server from"},
		{{.thread_busy = 0.96}, {.thread_busy = 0.94}, "the server's busiest thread had"},
		{{.thread_busy = 0.5, .thread_waiting = 0.46},
		 {.thread_busy = 0.5, .thread_waiting = 0.19},
		 "the server's busiest thread had work for 96 %, a CPU for 50 %"},
		{{.thread_busy = 0.1, .thread_waiting = 0.21},
		 {.thread_busy = 0.1, .thread_waiting = 0.19},
		 "a thread of the server's waited for a CPU for 21 %"},
		{{.cpu = 0.96}, {.cpu = 0.94}, "the server used 96 % of the CPUs it may use"},
		{{.workers_known = true, .workers_busy = 0.96},
		 {.workers_known = true, .workers_busy = 0.94},
		 "the server's workers were busy for 96 %"},
		{{.silent = 0.3}, {.silent = 0.04}, "its control socket did not answer in time 30"},
	};
	for (size_t i = 0; i < COUNT_OF(needs); i++) {
		evidence.server = needs[i].enough;
		evidence.server.process_known = true;
		reaches(VERDICT_SERVER_BOUND, needs[i].reason);
		evidence.server = needs[i].less;
		evidence.server.process_known = true;
		verdict_reach(&verdict, &config, &facts, &evidence);
		assert_int_equal(verdict.kind, VERDICT_INCONCLUSIVE);
	}
}

static void two_that_wait_for_each_other_are_inconclusive(void **state)
{
	see_idle_server();
	hdr_reset(&latency);
	hdr_record(&latency, 22 * NS_PER_US); // one connection, as fast as both can
	reaches(VERDICT_INCONCLUSIVE, "neither we nor the server were full");
	evidence.server.workers_busy = 0.6;
	hdr_record(&latency, 5 * NS_PER_MS);
	hdr_record(&latency, 5 * NS_PER_MS);
	reaches(VERDICT_INCONCLUSIVE, "neither we nor the server were full");
	see_idle_server();
	evidence.thread_busy = 0.6;
	reaches(VERDICT_INCONCLUSIVE, "neither we nor the server were full");
}

static void when_both_are_idle_it_is_what_is_between(void **state)
{
	see_idle_server();
	reaches(VERDICT_NETWORK_BOUND, "both we and the server were idle");
	// Who answers may be a proxy, unless the server's own workers tell, or that it is not them.
	evidence.server.workers_known = false;
	reaches(VERDICT_INCONCLUSIVE, "what answers there was idle");
	evidence.server.between = true;
	reaches(VERDICT_NETWORK_BOUND, "both we and the server were idle");
}

// A moment of rest at the end of the run leaves some of a rate unserved too.
static void of_a_rate_much_must_be_missing(void **state)
{
	see_idle_server();
	facts.unanswered = 1;
	offer(9500);
	reaches(VERDICT_INCONCLUSIVE, "neither we nor the server were full");
	offer(8900);
	reaches(VERDICT_NETWORK_BOUND, "both we and the server were idle");
}

// A server that polls is on a CPU all the time.
static void who_polls_is_not_busy(void **state)
{
	see_idle_server();
	evidence.server.thread_busy = 1;
	evidence.server.cpu = 1;
	evidence.server.workers_polling = 0.3;
	reaches(VERDICT_INCONCLUSIVE, "neither we nor the server were full");
	evidence.server.workers_polling = 0.1;
	reaches(VERDICT_SERVER_BOUND, "the server's busiest thread had work");
	// Without the workers' word: with one message on its way, both cannot have work at once.
	evidence.server.workers_known = false;
	config.connections = 1;
	evidence.thread_busy = 0.4;
	reaches(VERDICT_INCONCLUSIVE, "neither we nor the server were full");
	evidence.thread_busy = 0;
	reaches(VERDICT_SERVER_BOUND, "the server's busiest thread had work");
}

static void what_waits_for_an_unknown_server_is_server_bound(void **state)
{
	evidence.thread_busy = 0.84;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	config.target_count = 2;
	reaches(VERDICT_INCONCLUSIVE, "we waited, but for which of the targets");
}

static void what_stops_us_is_not_the_server(void **state)
{
	evidence.server = (struct far_end_view){.process_known = true, .stopped = 0.5};
	evidence.stalled = 0.3;
	reaches(VERDICT_CLIENT_BOUND, "for 30 % of the time we were stopped");
	evidence.stalled = 0.15;
	reaches(VERDICT_INCONCLUSIVE, "for 15 % of the time we were stopped");
	evidence.stalled = 0.05;
	reaches(VERDICT_SERVER_BOUND, "the server's process was stopped");
	evidence.thread_waiting = 0.3;
	reaches(VERDICT_CLIENT_BOUND, "others had our CPU for 30 %");
	evidence.thread_waiting = 0.15;
	reaches(VERDICT_INCONCLUSIVE, "others had our CPU for 15 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_server_in_need_is_server_bound, begin),
		cmocka_unit_test_setup(two_that_wait_for_each_other_are_inconclusive, begin),
		cmocka_unit_test_setup(when_both_are_idle_it_is_what_is_between, begin),
		cmocka_unit_test_setup(of_a_rate_much_must_be_missing, begin),
		cmocka_unit_test_setup(who_polls_is_not_busy, begin),
		cmocka_unit_test_setup(what_waits_for_an_unknown_server_is_server_bound, begin),
		cmocka_unit_test_setup(what_stops_us_is_not_the_server, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
