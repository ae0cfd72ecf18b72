// `echoload ab` with servers that are played: rounds, what is printed of them, and checks:
// tools/echoload/ab.
#include "base/clock.h"
#include "base/cmdline.h"
#include "echoload/ab/rounds.h"
#include "expect.h"

#define SLICE (5 * NS_PER_MS)

static struct load_config config;
static struct rounds rounds;
static struct echod_error error;
static unsigned calls[CONFIG_ENDPOINTS];
static uint64_t rate[CONFIG_ENDPOINTS]; // messages a second
static uint64_t settled, length;	// of the last slice
static uint64_t order;			// in which they had their turns, a bit each
static bool forks;			// in the first round

// A machine of two CPUs, of which others used nothing. The servers are this process.
WRAP(long, sysconf, (int name)) { return name == _SC_NPROCESSORS_ONLN ? 2 : __real_sysconf(name); }
WRAP(struct usage_machine, usage_of_machine, (void)) { return (struct usage_machine){.wanted = 1}; }
WRAP(struct processes, processes_of, (const struct load_config *of, size_t first, size_t end)) {
	return (struct processes){{(int)getpid(), (int)getpid()},
				  .count = forks && calls[0] > 1 ? 2 : 1};
}
WRAP(struct engine *, engine_open, (const struct load_config *of, struct echod_error *why)) {
	return (struct engine *)&config;
}
WRAP(void, engine_close, (struct engine * engine, struct counters *counters)) {}

// A target answers after its number in ms, the second later. In its second slice of a round the
// first has a tenth more.
WRAP(int, engine_slice,
     (struct engine * engine, uint64_t groups, uint64_t duration, struct counters *counters,
      uint64_t *lasted)) {
	unsigned target = (unsigned)__builtin_ctzll(groups);
	uint64_t more = target == 0 && calls[0] > 0 && calls[0] % 2 == 0;
	assert_int_equal(groups, UINT64_C(1) << target);
	counters_reset(counters);
	counters->messages = rate[target] * duration / NS_PER_S * (10 + more) / 10;
	counters->answered = 2 * counters->messages;
	hdr_record_many(&counters->latency, (target + 1) * NS_PER_MS, counters->messages);
	calls[target]++;
	order = order << 1 | target;
	*lasted = length = duration;
	settled = config.settle;
	return 0;
}

static void run(uint64_t slice, uint64_t most) {
	for (size_t i = 0; i < CONFIG_ENDPOINTS; i++)
		for (enum measure k = 0; k < MEASURES; k++)
			free(rounds.targets[i].ratios[k].values);
	memset(&rounds, 0, sizeof(rounds));
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < config.target_count; i++) {
		snprintf(rounds.targets[i].name, AB_NAME, "%s", STRINGS("old", "b")[i]);
		assert_int_equal(endpoint_from_ip("::1", &config.targets[i], NULL), 0);
	}
	rounds.config = &config;
	rounds.slice = slice;
	rounds.most = most;
	assert_int_equal(rounds_run(&rounds, &error), EXIT_OK);
}

BEFORE_EACH {
	config = (struct load_config){.target_count = 2,
				      .connections = 2,
				      .threads = 1,
				      .warmup = 20 * NS_PER_MS,
				      .duration = CLOCK_NEVER,
				      .by_target = true};
	for (size_t i = 0; i < 2; i++)
		rate[i] = 200000 >> 2 * i;
}

static void print(FILE *file) { rounds_print(&rounds, file); }

// Each half of a round has both, in an order that the number of the run decides.
TEST(turns_are_in_random_order) {
	uint64_t orders[3];
	for (size_t i = 0; i < 3; i++) {
		config.run = i / 2;
		run(SLICE, 12);
		orders[i] = order;
		for (int half = 0; half < 24; half++)
			assert_in_range(order >> 2 * half & 3, 1, 2);
	}
	assert_true(orders[0] << 16 == orders[1] << 16 && orders[0] << 16 != orders[2] << 16);
}

TEST(each_round_gives_a_ratio) {
	run(SLICE, 12);
	const struct target *old = &rounds.targets[0], *b = old + 1;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(calls[i], 1 + 2 * 12);
	assert_int_equal(old->all.messages, 12 * (1000 + 1100));
	assert_in_range(old->all.took, 1, rounds.lasted);
	assert_in_range(old->all.cpu, 1, rounds.lasted);
	assert_int_equal(b->all.messages, 12 * 2 * 250);
	assert_int_equal(b->ratios[MEASURE_P99].count, 6); // as they have 1,000 messages each
	assert_int_equal(b->ratios[MEASURE_P50].count, 12);
	for (size_t i = 0; i < 2; i++) {
		rounds.targets[i].all.cpu = i * 20 * b->all.answered;
		rounds.targets[i].ratios[MEASURE_CPU].median =
			(struct rank_interval){0.05, 0.0495, 0.0505};
	}
	rounds.targets[0].ratios[MEASURE_CPU].median.low = NAN;
	rounds.lasted = 3 * NS_PER_S;
	config.spin = rounds.interrupted = true;
	config.connections = 4;
	// The rates wider by the 1 % of two starts, and by the 10 % that the first is not itself.
	assert_string_equal(
		test_output(print),
		"                   messages/s        p50        p99 cpu/message  address\n"
		"old                    210000     1.0 ms     1.0 ms          -  [::1]:0\n"
		"b                       50000     2.0 ms     2.0 ms      20 ns  [::1]:0\n"
		"\nratio to old               median   95 % interval\n"
		"itself           rate       1.100      1.100 to 1.100     10 % more\n"
		"                 p50        1.000      1.000 to 1.000     no difference\n"
		"                 p99        1.000      1.000 to 1.000     no difference\n"
		"                 cpu            -                         not known\n"
		"b                rate       0.238      0.214 to 0.262     76 % less\n"
		"                 p50        2.000      1.980 to 2.020     100 % more\n"
		"                 p99        2.000      1.980 to 2.020     100 % more\n"
		"                 cpu      0.05000    0.04950 to 0.05050   95 % less\n"
		"\n12 rounds in 3.0 s, slices of 5.0 ms, 2 connections each, polling, until a "
		"signal.\n");
	rounds.others = 0.26;
	assert_contains(test_output(print), "servers used 0.26 CPUs: so the ratios prove nothing.");
	rounds.others = NAN;
	assert_contains(test_output(print), "used an unknown number of CPUs: so the ratios prove");
}

TEST(of_processes_that_come_and_go_the_time_is_not_known) {
	forks = true;
	run(SLICE, 12);
	forks = false;
	assert_int_equal(rounds.targets[0].all.cpu + rounds.targets[1].all.cpu, 0);
}

static const struct length {
	const char *name;
	uint64_t slowest; // messages a second
	unsigned connections;
	uint64_t given, slice, settle;
} lengths[] = {
	{"100 messages", 10000, 1, 0, 10 * NS_PER_MS, NS_PER_MS},
	{"three on each connection", 20000, 400, 0, 60 * NS_PER_MS, 30 * NS_PER_MS},
	{"at least", 50000, 1, 0, 5 * NS_PER_MS, NS_PER_MS},
	{"at most", 500, 1, 0, 100 * NS_PER_MS, 0},
	{"given", 10000, 1, 10 * NS_PER_MS, 10 * NS_PER_MS, NS_PER_MS},
	{"given and shorter", 10000, 1, 9 * NS_PER_MS, 9 * NS_PER_MS, 0},
};

TEST_ROWS(a_slice_suits_the_load, const struct length *row, lengths) {
	rate[1] = row->slowest;
	config.connections = 2 * row->connections;
	for (size_t i = 0; i < 2; i++) {
		run(row->given, 1);
		assert_in_range(length + 1, row->slice, row->slice + 2);
		assert_in_range(settled + 1, row->settle, row->settle + 2);
		rate[0] = row->slowest; // the other one is
		rate[1] = 200000;
	}
}

static const struct check {
	const char *name;
	int status;
	const char *says;
	bool apart, busy;
	double others;
} checks[] = {
	{"b.rate>=1", EXIT_OK, NULL, .others = 0.25},
	{"b.rate>1.011", EXIT_CHECK_FAILED, "measured 1.0040, between 1.0000 and 1.0100",
	 .others = 0},
	{"b.rate<=1.01", EXIT_OK, NULL, true, .others = 0.05},
	{"b.rate<0.999", EXIT_CHECK_FAILED, "expected b.rate<0.999, measured 1.0040", .others = 0},
	{"b.rate>=1.005", EXIT_INCONCLUSIVE, ">=1.005, which is undecided: measured 1.0040",
	 .others = 0},
	{"b.rate<1.005", EXIT_INCONCLUSIVE, "which is undecided", .others = 0},
	{"b.rate>=1", EXIT_INCONCLUSIVE, "1.0100; echoload is the limit", .busy = true},
	{"b.cpu>=1", EXIT_OK, NULL, .busy = true},
	{"b.p99<1", EXIT_INCONCLUSIVE, "expected b.p99<1, which was not measured", .others = 0},
	{"b.rate>=0.5", EXIT_INCONCLUSIVE, "; disturbed", .others = 0.26},
	{"b.rate>=0.5", EXIT_INCONCLUSIVE, "; disturbed", true, .others = 0.06},
	{"b.rate>=0.5", EXIT_INCONCLUSIVE, "; disturbed", .others = NAN},
	{"old.rate>1", EXIT_USAGE, "'old' is no target other than the first", .others = 0},
	{"b.mean>1", EXIT_USAGE, "'b.mean>1' is no check", .others = 0},
	{"b.rate==1", EXIT_USAGE, "is no check", .others = 0},
	{"b.rate><1", EXIT_USAGE, "is no check", .others = 0},
	{"b.rate>0", EXIT_USAGE, "is no check", .others = 0},
	{"b.rate>1x", EXIT_USAGE, "is no check", .others = 0},
	{"b.rate>", EXIT_USAGE, "is no check", .others = 0},
};

TEST_ROWS(a_check_holds_fails_or_is_undecided, const struct check *row, checks) {
	run(SLICE, 1);
	for (enum measure k = 0; k < MEASURES; k++)
		rounds.targets[1].ratios[k].median = (struct rank_interval){1.004, 1, 1.01};
	rounds.targets[1].ratios[MEASURE_P99].median.low = NAN;
	for (size_t i = 0; i < 2; i++) {
		rounds.targets[i].all.took = 1000;
		rounds.targets[i].all.worked = row->busy ? 901 : 900;
	}
	rounds.others = row->others;
	rounds.apart = row->apart;
	assert_int_equal(check_judge(row->name, &rounds, &error), row->status);
	if (row->says)
		assert_contains(error.message, row->says);
}
