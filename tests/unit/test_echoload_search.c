// The rates that --search tries, with a server that is played: tools/echoload/run/search.
#include "base/clock.h"
#include "echoload/run/run.h"
#include "expect.h"

#define RATES(...) ((const double[]){__VA_ARGS__, 0})

static const struct find {
	const char *name;
	double capacity; // messages a second that are sustained; 0: a signal comes
	bool is_seen;	 // latency shows it
	unsigned drops;	 // to half, from this run on
	double held, missed;
	const double *rates; // the first, to the tenth
} finds[] = {
	{"by halves", 9000, false, 99, 8915.1, 9012.2,
	 RATES(1000, 4000, 16000, 16000, 8000, 11313.7, 11313.7, 9513.7, 9513.7, 8724.1, 9110.3,
	       9110.3, 8915.1, 9012.2, 9012.2, 8915.1)},
	{"by a guess", 9000, true, 99, 8999.5, 9090,
	 RATES(1000, 4000, 16000, 16000, 8910, 9090, 9090, 8999.5, 8999.5)},
	{"not again", 9000, true, 8, 0, 8147.2,
	 RATES(1000, 4000, 16000, 16000, 8910, 9090, 9090, 8999.5, 8999.5, 8999.5, 8910.4)},
	{"none", 1, true, 99, 0, 210, RATES(1000, 1000, 250, 250, 210, 210)},
	{"a signal", 0, false, 99, 0, 0, RATES(1000)},
	{"in time", 1.03e6, false, 99, 1024000, 1046422.7, RATES(1000)}, // if not nearer
	{"all", 1e10, false, 99, 262144000, 0, RATES(1000, 4000, 16000, 64000, 256000, 1024000)},
};
static const struct find *find;
static size_t known; // of its rates
static struct run_options options;
static struct outputs outputs;
static struct search search;
static struct echod_error error;

// Ten intervals of 100 ms, through which latency rises by what the server is behind.
WRAP(int, run_load,
     (struct run * run, const struct load_config *config, struct outputs *to,
      struct echod_error *why)) {
	double rate = config->rate, capacity = find->capacity / (search.runs < find->drops ? 1 : 2);
	known += find->rates[known] > 0;
	if (known > search.runs && fabs(rate - find->rates[search.runs]) > 0.1)
		fail_msg("rate %u: %.1f", search.runs, rate);
	assert_int_equal(config->extra, 0);
	*run = (struct run){
		.result = {config, calloc(1, sizeof(struct counters)), .lasted = NS_PER_S},
		.evidence = {.offered = rate, .intervals = 10, .sustained = rate <= capacity},
		.interrupted = capacity == 0};
	run->verdict.kind = rate > 9010 ? VERDICT_CLIENT_BOUND : VERDICT_OVERLOADED;
	hdr_reset(&run->result.counters->latency);
	hdr_record_many(&run->result.counters->latency, NS_PER_MS, 1000);
	if (find->is_seen && rate > capacity)
		run->evidence.rise = 0.9e9 * (1 - capacity / rate);
	return 0;
}

TEST_ROWS(rates_come_nearer, const struct find *row, finds) {
	find = row;
	known = 0;
	options.load.config.duration = NS_PER_S / 2;
	options.load.config.extra = 1;
	assert_int_equal(expect_parse("p99<5ms", &options.search, &error), 0);
	outputs.options = &options;
	outputs.report.file = stdout;
	assert_int_equal(search_run(&search, &outputs, &error), 0);
	if (fabs(search.held - row->held) + fabs(search.missed - row->missed) > 0.1)
		fail_msg("%u runs, %.1f, %.1f", search.runs, search.held, search.missed);
	assert_int_equal(search.client_bound, row->missed > 9010);
	if (row->held < 1e5 && row->drops == 99)
		assert_int_equal(search.runs, known);
}
