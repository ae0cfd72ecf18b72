// Evidence made by hand for the tests of echoload's verdict. One thread.
#include "echoload_case.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

struct hdr latency;
struct hdr lateness;
struct load_config config;
struct load_errors errors;
struct facts facts;
struct evidence evidence;
struct verdict verdict;

int begin(void **state)
{
	hdr_reset(&latency);
	hdr_reset(&lateness);
	for (int i = 0; i < 1000; i++)
		hdr_record(&latency, NS_PER_MS);
	config = (struct load_config){
		.mode = MODE_PING, .connections = 10, .pipeline = 1, .threads = 2};
	errors = (struct load_errors){0};
	facts = (struct facts){
		.latency = &latency,
		.uncorrected = &latency,
		.lateness = &lateness,
		.lasted = 10 * NS_PER_S,
		.messages = 100000,
		.bytes = 6400000,
		.errors = &errors,
	};
	evidence = (struct evidence){
		.thread_busy = 0.4,
		.kernel = 0.8,
		.served = 10000,
		.least_round_trip = 20e3,
		.smooth_round_trip = 20e3,
		.server.connect_round_trip = 20e3,
	};
	return 0;
}

void offer(double served)
{
	config.rate = 10000;
	evidence.offered = 10000;
	evidence.served = served;
}

void see_idle_server(void)
{
	evidence.server = (struct far_end_view){
		.process_known = true,
		.cpu = 0.05,
		.thread_busy = 0.1,
		.workers_known = true,
		.workers_busy = 0.05,
	};
}

void reaches(enum verdict_kind kind, const char *reason)
{
	verdict_reach(&verdict, &config, &facts, &evidence);
	if (verdict.kind != kind || verdict.count == 0 ||
	    strncmp(verdict.line[0], reason, strlen(reason)) != 0)
		fail_msg("%s, %s; not %s, %s", verdict_name(verdict.kind),
			 verdict.count ? verdict.line[0] : "without a reason", verdict_name(kind),
			 reason);
}
