// What limited a run: tools/echoload/judge/verdict, from evidence made by hand.
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "echoload_case.h"

static void every_verdict_has_its_name(void **state)
{
	assert_string_equal(verdict_name(VERDICT_SERVER_BOUND), "SERVER-BOUND");
	assert_string_equal(verdict_name(VERDICT_CLIENT_BOUND), "CLIENT-BOUND");
	assert_string_equal(verdict_name(VERDICT_RATE_LIMITED), "RATE-LIMITED");
	assert_string_equal(verdict_name(VERDICT_NETWORK_BOUND), "NETWORK-BOUND");
	assert_string_equal(verdict_name(VERDICT_INCONCLUSIVE), "INCONCLUSIVE");
}

static void a_run_without_echoes_tells_nothing(void **state)
{
	hdr_reset(&latency);
	facts.messages = 0;
	facts.bytes = 0;
	evidence.thread_busy = 1;
	evidence.server.stopped = 1;
	reaches(VERDICT_INCONCLUSIVE, "nothing came back");
}

static void a_short_run_tells_nothing(void **state)
{
	facts.lasted = NS_PER_S - 1;
	reaches(VERDICT_INCONCLUSIVE, "too short to tell");
	evidence.thread_busy = 1;
	evidence.throttled = 1;
	evidence.server.stopped = 1;
	reaches(VERDICT_INCONCLUSIVE, "too short to tell");
}

static void a_full_thread_is_client_bound(void **state)
{
	evidence.thread_busy = 0.96;
	reaches(VERDICT_CLIENT_BOUND, "our busiest thread had work for 96 %");
	// It has what it needs of a CPU, or another has it: in both cases the generator is late.
	evidence.thread_busy = 0.5;
	evidence.thread_waiting = 0.46;
	reaches(VERDICT_CLIENT_BOUND,
		"our busiest thread had work for 96 % of the time, a CPU for 50 %");
	// Not even a server that is full itself helps, nor a long path, nor a rate that was served.
	evidence.server.stopped = 1;
	evidence.least_round_trip = 900e3;
	reaches(VERDICT_CLIENT_BOUND, "our busiest thread");
	offer(10000);
	reaches(VERDICT_CLIENT_BOUND, "our busiest thread");
}

static void a_quota_that_is_used_up_is_client_bound(void **state)
{
	evidence.throttled = 0.019;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.throttled = 0.03;
	reaches(VERDICT_CLIENT_BOUND, "our CPU quota kept us from running for 3 %");
	offer(10000);
	reaches(VERDICT_CLIENT_BOUND, "our CPU quota");
}

static void who_is_late_himself_is_client_bound(void **state)
{
	offer(10000);
	evidence.lateness_p99 = 5e6;
	reaches(VERDICT_RATE_LIMITED, "10000 messages");
	evidence.thread_waiting = 0.11;
	reaches(VERDICT_CLIENT_BOUND,
		"we were late ourselves, p99 5.0 ms: others had our CPU for 11 %");
	evidence.lateness_p99 = 0.9e6;
	reaches(VERDICT_RATE_LIMITED, "10000 messages");
}

static void a_rate_that_was_served_was_the_limit(void **state)
{
	facts.unanswered = 1;
	offer(9901);
	reaches(VERDICT_RATE_LIMITED, "10000 messages a second were due, 9901 served");
	offer(9899);
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	// However far away the server is.
	evidence.least_round_trip = 900e3;
	offer(10000);
	reaches(VERDICT_RATE_LIMITED, "10000 messages a second were due");
	// A closed loop offers no rate.
	config.rate = 0;
	evidence.offered = 0;
	reaches(VERDICT_NETWORK_BOUND, "a round trip on the path takes 900.0 us, an echo 1.0 ms");
}

static void what_is_still_on_its_way_is_no_backlog(void **state)
{
	offer(9500);
	reaches(VERDICT_RATE_LIMITED, "10000 messages a second were due, 9500 served");
	hdr_record(&latency, 190 * NS_PER_MS); // less than 2 % of the run
	reaches(VERDICT_RATE_LIMITED, "10000 messages");
	hdr_record(&latency, 210 * NS_PER_MS);
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
}

static void a_long_path_is_network_bound(void **state)
{
	hdr_reset(&latency);
	hdr_record(&latency, 10 * NS_PER_MS);
	evidence.least_round_trip = 4.9e6;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.least_round_trip = 6e6;
	reaches(VERDICT_NETWORK_BOUND, "a round trip on the path takes 6.0 ms, an echo 10.");
	// What is no longer than waking a thread says nothing of a path.
	hdr_reset(&latency);
	hdr_record(&latency, 500 * NS_PER_US);
	evidence.least_round_trip = 490e3;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	// But it is not the server's either.
	evidence.server.connect_round_trip = 490e3;
	reaches(VERDICT_INCONCLUSIVE, "we waited, but for the path as much as for the server");
}

// Connects beside the load wait in the queues that the load fills, and no program answers them.
static void queues_are_of_the_path(void **state)
{
	evidence.server.connect_round_trip = 800e3;
	reaches(VERDICT_NETWORK_BOUND, "a round trip on the path takes 800.0 us, an echo 1.0 ms");
	evidence.server.connect_round_trip = 400e3;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
}

static void one_message_at_a_time_tells_nothing_of_the_server(void **state)
{
	config.connections = 1;
	reaches(VERDICT_SERVER_BOUND, "we waited for it"); // 1 ms is long enough
	hdr_reset(&latency);
	hdr_record(&latency, 100 * NS_PER_US);
	reaches(VERDICT_INCONCLUSIVE, "we waited, but for the path as much as for the server");
	config.pipeline = 2;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
}

static void a_server_that_stands_still_is_no_path(void **state)
{
	hdr_reset(&latency);
	for (int i = 0; i < 20; i++)
		hdr_record(&latency, 1100 * NS_PER_US);
	hdr_record(&latency, 80 * NS_PER_MS);
	evidence.least_round_trip = 1e6;
	evidence.server = (struct far_end_view){.process_known = true, .throttled = 0.8};
	reaches(VERDICT_SERVER_BOUND, "its CPU quota kept the server from");
}

static void to_connect_takes_a_round_trip_too(void **state)
{
	config.mode = MODE_CHURN;
	config.visit = 1;
	hdr_reset(&latency);
	hdr_record(&latency, 100300 * NS_PER_US);
	evidence.least_round_trip = 50e6;
	reaches(VERDICT_NETWORK_BOUND, "a round trip on the path takes 100.0 ms, an echo 100.");
}

static void an_unknown_path_is_inconclusive(void **state)
{
	evidence.server.connect_round_trip = 0;
	reaches(VERDICT_INCONCLUSIVE, "we waited for it, but how long the path is");
	config.targets[0].as.any.sa_family = AF_UNIX; // there is none
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
}

static void who_runs_out_of_ports_is_client_bound(void **state)
{
	load_errors_note(&errors, LOAD_OUT_OF_PORTS, 0, 1, 0);
	reaches(VERDICT_CLIENT_BOUND, "we ran out of what this machine gives us: out_of_ports");
}

static void a_stream_fills_the_path_or_the_window(void **state)
{
	config.mode = MODE_STREAM;
	reaches(VERDICT_INCONCLUSIVE, "neither its window nor the path was seen to be full");
	evidence.window_limited = 0.6;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.window_limited = 0.4;
	evidence.smooth_round_trip = 800e3; // it may have waited for the server to read
	reaches(VERDICT_INCONCLUSIVE, "neither its window nor the path was seen to be full");
	hdr_record(&latency, 100 * NS_PER_S);
	evidence.server.connect_round_trip = 12e6;
	reaches(VERDICT_NETWORK_BOUND,
		"the path was full: connects beside the stream took 12.0 ms, else 20.0 us");
	evidence.window_limited = 0.6;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	// A path that is long is not full.
	evidence.window_limited = 0;
	evidence.least_round_trip = 8e6;
	evidence.server.connect_round_trip = 20e6;
	reaches(VERDICT_INCONCLUSIVE, "neither its window nor the path was seen to be full");
}

static void a_machine_without_cpus_tells_nothing(void **state)
{
	evidence.stolen = 0.19;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.stolen = 0.3;
	reaches(VERDICT_INCONCLUSIVE,
		"the hypervisor gave others 30 % of the CPU time wanted here");
	evidence.server.stopped = 0.5; // if it was stopped, or waited for a CPU
	reaches(VERDICT_INCONCLUSIVE, "the hypervisor");
	evidence.thread_waiting = 0.5; // that would have been so in any case
	reaches(VERDICT_CLIENT_BOUND, "others had our CPU for 50 %");
	evidence.thread_waiting = 0;
	offer(10000);
	reaches(VERDICT_RATE_LIMITED, "10000 messages a second were due");
}

static void a_path_that_loses_is_network_bound(void **state)
{
	evidence.retransmitting = 0.19;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.retransmitting = 0.5;
	reaches(VERDICT_NETWORK_BOUND, "segments lost on the path and sent again cost some 50 %");
}

static void between_free_and_full_nothing_is_known(void **state)
{
	static const double shares[] = {0.86, 0.9, 0.94};
	for (size_t i = 0; i < COUNT_OF(shares); i++) {
		evidence.thread_busy = shares[i];
		reaches(VERDICT_INCONCLUSIVE, "our busiest thread had work for");
	}
	evidence.thread_busy = 0.4;
	evidence.thread_waiting = 0.09;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.thread_waiting = 0.2; // what would have been without these is not known
	reaches(VERDICT_INCONCLUSIVE, "others had our CPU for 20 %");
}

static bool tells(const char *what)
{
	for (size_t i = 0; i < verdict.count; i++) {
		if (strstr(verdict.line[i], what))
			return true;
	}
	return false;
}

static void every_verdict_tells_what_else_was_seen(void **state)
{
	static const double busy[] = {0.4, 0.9, 1};
	see_idle_server();
	evidence.server.queue_wait_mean = 1500;
	evidence.unread = 640;
	for (size_t i = 0; i < COUNT_OF(busy); i++) {
		evidence.thread_busy = busy[i];
		verdict_reach(&verdict, &config, &facts, &evidence);
		assert_true(tells("% of a CPU at most, 80 % of it in the kernel"));
		assert_true(tells("the server: 5 % of the CPUs it may use"));
		assert_true(tells("its workers: 5 % seen serving, connections waited 1.5 us"));
		assert_true(tells(
			"640 bytes lay unread in each of our sockets at the end, on the average"));
	}
	evidence.server = (struct far_end_view){0};
	evidence.unread = 0;
	verdict_reach(&verdict, &config, &facts, &evidence);
	assert_false(tells("the server:") || tells("workers") || tells("unread"));
}

static void our_own_lateness_is_told(void **state)
{
	offer(10000);
	hdr_record(&lateness, 2 * NS_PER_MS);
	evidence.lateness_p99 = 2e6;
	reaches(VERDICT_RATE_LIMITED, "10000 messages a second were due");
	assert_true(tells("we were late ourselves, p99 2.0 ms: that is part of the latency"));
	evidence.lateness_p99 = 0.9e6;
	reaches(VERDICT_RATE_LIMITED, "10000 messages a second were due");
	assert_false(tells("we were late ourselves"));
}

static void what_fails_all_the_time_is_inconclusive(void **state)
{
	evidence.failing = 0.19;
	reaches(VERDICT_SERVER_BOUND, "we waited for it");
	evidence.failing = 0.3;
	reaches(VERDICT_INCONCLUSIVE, "connections that failed and were tried again took 30 %");
}

static void what_fails_says_more_than_all_else(void **state)
{
	static const struct evidence others[] = {
		{.failing = 0.3, .thread_busy = 1},
		{.failing = 0.3, .thread_waiting = 0.24},
		{.failing = 0.3, .thread_waiting = 0.5},
		{.failing = 0.3, .stalled = 0.15},
		{.failing = 0.3, .stalled = 0.5},
		{.failing = 0.3, .throttled = 0.5},
		{.failing = 0.3, .retransmitting = 0.5},
		{.failing = 0.3, .server.stopped = 0.5},
		{.failing = 0.3, .offered = 100, .served = 100},
	};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		evidence = others[i];
		reaches(VERDICT_INCONCLUSIVE, "connections that failed and were tried again");
	}
	// Unless it is ourselves for whom there was no more.
	load_errors_note(&errors, LOAD_OUT_OF_DESCRIPTORS, 0, 1, 0);
	reaches(VERDICT_CLIENT_BOUND, "we ran out of what this machine gives us: out_of_desc");
}

static void assert_no_line_is_cut(void)
{
	for (size_t i = 0; i < verdict.count; i++)
		assert_true(strlen(verdict.line[i]) < VERDICT_LINE - 1);
}

static void no_line_is_cut_or_left_out(void **state)
{
	see_idle_server();
	evidence.unread = 1e9;
	evidence.server = (struct far_end_view){
		.process_known = true,
		.cpu = 1,
		.thread_busy = 1,
		.thread_waiting = 1,
		.stopped = 1,
		.throttled = 100,
		.workers_known = true,
		.workers_busy = 1,
		.silent = 1,
		.queue_wait_mean = 999e9,
	};
	reaches(VERDICT_SERVER_BOUND, "the server's process was stopped");
	assert_true(verdict.count < VERDICT_LINES);
	assert_true(tells("bytes lay unread in each of our sockets at the end, on the average"));
	assert_no_line_is_cut();
	evidence.server = (struct far_end_view){0};
	evidence.stolen = 1;
	reaches(VERDICT_INCONCLUSIVE, "the hypervisor gave others 100 %");
	assert_no_line_is_cut();
	evidence.stolen = 0;
	evidence.stalled = 0.24;
	reaches(VERDICT_INCONCLUSIVE, "for 24 % of the time we were stopped, or the machine was: "
				      "how much that mattered is not known");
	assert_no_line_is_cut();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_verdict_has_its_name, begin),
		cmocka_unit_test_setup(a_run_without_echoes_tells_nothing, begin),
		cmocka_unit_test_setup(a_short_run_tells_nothing, begin),
		cmocka_unit_test_setup(a_full_thread_is_client_bound, begin),
		cmocka_unit_test_setup(a_quota_that_is_used_up_is_client_bound, begin),
		cmocka_unit_test_setup(who_is_late_himself_is_client_bound, begin),
		cmocka_unit_test_setup(a_rate_that_was_served_was_the_limit, begin),
		cmocka_unit_test_setup(what_is_still_on_its_way_is_no_backlog, begin),
		cmocka_unit_test_setup(a_long_path_is_network_bound, begin),
		cmocka_unit_test_setup(a_server_that_stands_still_is_no_path, begin),
		cmocka_unit_test_setup(to_connect_takes_a_round_trip_too, begin),
		cmocka_unit_test_setup(an_unknown_path_is_inconclusive, begin),
		cmocka_unit_test_setup(who_runs_out_of_ports_is_client_bound, begin),
		cmocka_unit_test_setup(queues_are_of_the_path, begin),
		cmocka_unit_test_setup(one_message_at_a_time_tells_nothing_of_the_server, begin),
		cmocka_unit_test_setup(a_stream_fills_the_path_or_the_window, begin),
		cmocka_unit_test_setup(a_machine_without_cpus_tells_nothing, begin),
		cmocka_unit_test_setup(a_path_that_loses_is_network_bound, begin),
		cmocka_unit_test_setup(between_free_and_full_nothing_is_known, begin),
		cmocka_unit_test_setup(every_verdict_tells_what_else_was_seen, begin),
		cmocka_unit_test_setup(our_own_lateness_is_told, begin),
		cmocka_unit_test_setup(what_fails_all_the_time_is_inconclusive, begin),
		cmocka_unit_test_setup(what_fails_says_more_than_all_else, begin),
		cmocka_unit_test_setup(no_line_is_cut_or_left_out, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
