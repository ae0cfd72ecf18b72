// The measurement of `echoload ab`.
#include "rounds.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/signals.h"
#include "echoload/common/random.h"
#include "echoload/load/usage.h"

#define SLICE_LEAST (5 * NS_PER_MS)    // a slice without --slice: at least this long,
#define SLICE_MOST (100 * NS_PER_MS)   // at most this long,
#define SLICE_TURNS 3.0		       // with this many messages on each connection
#define SLICE_MESSAGES 100.0	       // and in all
#define SLICE_STREAM (150 * NS_PER_MS) // the same in mode stream, as windows and buffers adapt
#define SETTLE NS_PER_MS	       // before a slice, unrecorded: at least this long,
#define SETTLE_TURNS 1.5	       // with this many messages on each connection
#define ROUNDS_A_CHECK 32	       // after which --until is checked
#define PROC_TICKS (100 * NS_PER_MS)   // the counts of /proc are not finer than some of its ticks
#define REST_TIME (300 * NS_PER_MS)    // shows what others use if a server is not known
#define START_DIFFERENCE 0.01	       // between two starts of one program, relative
#define INTERRUPTED (-1)	       // in place of an exit status: by a signal

static void empty(struct sums *sums)
{
	memset(sums, 0, offsetof(struct sums, latency));
	hdr_reset(&sums->latency);
}

static void add(struct sums *sum, const struct sums *sums)
{
	sum->messages += sums->messages;
	sum->answered += sums->answered;
	sum->lasted += sums->lasted;
	sum->took += sums->took;
	sum->worked += sums->worked;
	sum->cpu += sums->cpu;
	hdr_add(&sum->latency, &sums->latency);
}

double rounds_value(const struct sums *sums, enum measure measure)
{
	if (sums->messages == 0 || (measure == MEASURE_CPU && sums->cpu == 0))
		return NAN;
	if (measure == MEASURE_CPU)
		return (double)sums->cpu / (double)sums->answered;
	if (measure != MEASURE_RATE)
		return (double)hdr_percentile(&sums->latency, measures[measure].percent);
	return (double)sums->messages * (double)NS_PER_S / (double)sums->lasted;
}

static const struct processes ourselves = {.pid = {0}, .count = 1};

// ns that the processes have used, all of them; 0: not known.
static uint64_t read_clocks(const struct processes *processes)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < processes->count; i++) {
		clockid_t clock;
		struct timespec time;
		if (clock_getcpuclockid(processes->pid[i], &clock) != 0 ||
		    clock_gettime(clock, &time) != 0)
			return 0;
		sum += (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
	}
	return sum;
}

static void measure_server(struct server_usage *server)
{
	uint64_t wanted = usage_of_machine().wanted, own = read_clocks(&ourselves);
	processes_measure(&server->processes, &server->usage);
	server->clocks = read_clocks(&server->processes);
	server->others =
		wanted > 0 ? (double)wanted - (double)own - (double)server->usage.ran : NAN;
}

// The processes behind the targets from `first` to before `end`.
static struct server_usage find_server(const struct load_config *config, size_t first, size_t end)
{
	struct server_usage server = {.processes = processes_of(config, first, end)};
	measure_server(&server);
	return server;
}

static bool is_wrong(const struct rounds *rounds)
{
	return rounds->counters.errors.of[LOAD_MISMATCH].count > 0;
}

// Says what went wrong in the last slice, maybe at a target that rested. Returns the status to exit
// with.
static int fail(const struct rounds *rounds, size_t target, struct echod_error *error)
{
	const struct counters *counters = &rounds->counters;
	const struct fault *fault = &counters->faults[0];
	enum load_error kind =
		is_wrong(rounds) ? LOAD_MISMATCH : load_errors_first(&counters->errors);
	char address[ADDRESS_TEXT_SIZE], what[LOAD_ERROR_LINE] = "nothing was answered";
	if (kind < LOAD_ERRORS) {
		load_error_explain(kind, &counters->errors, what);
		target = counters->errors.of[kind].first_connection % rounds->config->target_count;
	}
	if (is_wrong(rounds) && counters->fault_count > 0)
		snprintf(what, sizeof(what), "wrong bytes came back: %s, %ju from byte %ju on",
			 fault_kind_names[fault->kind], (uintmax_t)fault->length,
			 (uintmax_t)fault->offset);
	endpoint_format(&rounds->config->targets[target], address);
	error_set(error, ECHOD_ERROR_SYSTEM, "%s (%s): %s", rounds->targets[target].name, address,
		  what);
	if (is_wrong(rounds))
		return EXIT_CHECK_FAILED;
	bool reached = rounds->targets[target].all.messages > 0;
	return !reached && kind <= LOAD_SELF_CONNECT ? EXIT_UNREACHABLE : EXIT_INCONCLUSIVE;
}

// Loads a target for a slice. Returns EXIT_OK, INTERRUPTED, or a status with `error`.
static int load(struct rounds *rounds, size_t target, uint64_t length, struct echod_error *error)
{
	const struct processes *server = &rounds->targets[target].server.processes;
	struct counters *counters = &rounds->counters;
	struct sums *last = &rounds->last;
	uint64_t cpu = read_clocks(server), own = read_clocks(&ourselves), began = clock_now();
	int failed = engine_slice(rounds->engine, UINT64_C(1) << target, length, counters,
				  &last->lasted);
	last->took = clock_now() - began;
	last->worked = read_clocks(&ourselves) - own;
	uint64_t after = read_clocks(server);
	last->cpu = after > cpu ? after - cpu : 0;
	last->messages = counters->messages;
	last->answered = counters->answered;
	hdr_reset(&last->latency);
	hdr_add(&last->latency, &counters->latency);
	if (signals_caught() > 0 && !is_wrong(rounds))
		return INTERRUPTED;
	failed |= load_errors_total(&counters->errors) > 0;
	return failed ? fail(rounds, target, error) : EXIT_OK;
}

// Adds the ratio of two values, if it is known.
static void append(struct ratios *ratios, double value, double base)
{
	if (isnan(value / base))
		return;
	double *values = realloc(ratios->values, (ratios->count + 1) * sizeof(*values));
	if (!values)
		return; // without memory it is one less
	values[ratios->count++] = value / base;
	ratios->values = values;
}

// Adds a ratio to each target if all have counted enough for one.
static void add_ratios(struct rounds *rounds, enum measure measure)
{
	struct sums *second = &rounds->second[measure];
	struct ratios *first = &rounds->targets[0].ratios[measure];
	uint64_t least = second->messages;
	for (size_t i = 0; i < rounds->config->target_count; i++) {
		uint64_t messages = rounds->targets[i].ratios[measure].since.messages;
		least = messages < least ? messages : least;
	}
	if (least < measures[measure].messages)
		return;
	append(first, rounds_value(second, measure), rounds_value(&first->since, measure));
	add(&first->since, second);
	empty(second);
	double base = rounds_value(&first->since, measure);
	for (size_t i = 0; i < rounds->config->target_count; i++) {
		struct ratios *ratios = &rounds->targets[i].ratios[measure];
		if (i > 0)
			append(ratios, rounds_value(&ratios->since, measure), base);
		empty(&ratios->since);
	}
}

// Loads each target twice, in random order.
static int run_round(struct rounds *rounds, struct echod_error *error)
{
	size_t order[2 * CONFIG_ENDPOINTS] = {0}, count = rounds->config->target_count;
	for (size_t i = 0; i < 2 * count; i++) {
		size_t half = i < count ? 0 : count;
		size_t place = half + (size_t)(random_next(&rounds->random) % (i - half + 1));
		order[i] = order[place];
		order[place] = i - half;
	}
	for (size_t i = 0; i < 2 * count; i++) {
		struct target *target = &rounds->targets[order[i]];
		int status = load(rounds, order[i], rounds->slice, error);
		if (status != EXIT_OK)
			return status;
		add(&target->all, &rounds->last);
		for (enum measure k = 0; k < MEASURES; k++)
			add(order[i] == 0 && i >= count ? &rounds->second[k]
							: &target->ratios[k].since,
			    &rounds->last);
	}
	rounds->done++;
	for (enum measure k = 0; k < MEASURES; k++)
		add_ratios(rounds, k);
	return EXIT_OK;
}

// Connects all, and finds out how long a slice is to be, and which processes answer.
static int begin(struct rounds *rounds, struct echod_error *error)
{
	struct load_config *config = rounds->config;
	double connections = (double)config->connections / (double)config->target_count;
	double gap = 0; // ns between two messages of the slowest
	for (size_t i = 0; i < config->target_count; i++) {
		struct server_usage *server = &rounds->targets[i].server;
		int status = load(rounds, i, config->warmup, error);
		if (status == EXIT_OK && rounds->last.messages == 0)
			status = fail(rounds, i, error);
		if (status != EXIT_OK)
			return status;
		*server = find_server(config, i, i + 1);
		// Whether one may run on CPUs that the first may not run on, or the other way
		// round.
		const cpu_set_t *first = &rounds->targets[0].server.usage.cpus;
		rounds->apart |= CPU_COUNT(first) > 0 && CPU_COUNT(&server->usage.cpus) > 0 &&
				 !CPU_EQUAL(first, &server->usage.cpus);
		gap = fmax(gap, (double)rounds->last.lasted / (double)rounds->last.messages);
	}
	double slice =
		fmax((double)SLICE_LEAST, gap * fmax(SLICE_TURNS * connections, SLICE_MESSAGES));
	if (rounds->slice == 0)
		rounds->slice = config->mode == MODE_STREAM
					? SLICE_STREAM
					: (uint64_t)fmin(slice, (double)SLICE_MOST);
	// In a shorter one messages do not flow evenly: then all that is begun in it counts.
	if ((double)rounds->slice >= floor(slice))
		config->settle = (uint64_t)fmax((double)SETTLE, gap * SETTLE_TURNS * connections);
	return EXIT_OK;
}

// Whether the clocks have seen all: no process has come or gone, and no child has worked for them.
static bool has_seen_all(const struct rounds *rounds, size_t target)
{
	const struct server_usage *before = &rounds->targets[target].server;
	const struct server_usage now = find_server(rounds->config, target, target + 1);
	uint64_t seen = now.clocks - before->clocks;
	return before->clocks > 0 && processes_same(&now.processes, &before->processes) &&
	       now.usage.ran - before->usage.ran < seen + seen / 10 + PROC_TICKS;
}

// Widens an interval by differences that are not those of the programs: between two starts, and of
// the first target from itself.
static void widen(struct rank_interval *ratio, const struct rank_interval *itself)
{
	double doubt = ratio->median * START_DIFFERENCE;
	if (rank_differs(itself, 1))
		doubt = hypot(doubt, ratio->median * (itself->median - 1));
	ratio->low = fmax(0, ratio->median - hypot(ratio->median - ratio->low, doubt));
	ratio->high = ratio->median + hypot(ratio->high - ratio->median, doubt);
}

// Finds the medians. Without all of the CPU time those of CPU are not known.
static void conclude(struct rounds *rounds)
{
	struct target *first = &rounds->targets[0];
	for (size_t i = 0; i < rounds->config->target_count; i++) {
		struct target *target = &rounds->targets[i];
		if (!has_seen_all(rounds, i))
			target->all.cpu = 0;
		for (enum measure k = 0; k < MEASURES; k++) {
			struct ratios *ratios = &target->ratios[k];
			if (isnan(rounds_value(&first->all, k) + rounds_value(&target->all, k)))
				ratios->count = 0;
			ratios->median = rank_interval(ratios->values, ratios->count, RANK_95);
			if (i > 0 && !isnan(ratios->median.low))
				widen(&ratios->median, &first->ratios[k].median);
		}
	}
}

// Whether the intervals of all rates are narrow enough.
static bool is_known(const struct rounds *rounds)
{
	bool known = rounds->until > 0 && rounds->done > 0 && rounds->done % ROUNDS_A_CHECK == 0;
	for (size_t i = 1; i < rounds->config->target_count && known; i++) {
		const struct ratios *ratios = &rounds->targets[i].ratios[MEASURE_RATE];
		const struct rank_interval median =
			rank_interval(ratios->values, ratios->count, RANK_95);
		known = median.high - median.low < rounds->until;
	}
	return known;
}

int rounds_run(struct rounds *rounds, struct echod_error *error)
{
	rounds->engine = engine_open(rounds->config, error);
	if (!rounds->engine)
		return error->kind == ECHOD_ERROR_USAGE ? EXIT_USAGE : EXIT_UNREACHABLE;
	rounds->random.state = rounds->config->run;
	int status = begin(rounds, error);
	uint64_t began = clock_now(), deadline = clock_deadline(rounds->config->duration);
	struct server_usage before = find_server(rounds->config, 0, rounds->config->target_count);
	while (status == EXIT_OK && !is_known(rounds) && clock_now() < deadline &&
	       (rounds->most == 0 || rounds->done < rounds->most))
		status = run_round(rounds, error);
	rounds->lasted = clock_now() - began;
	if (before.processes.count == 0) { // their use is among that of others
		measure_server(&before);
		nanosleep(&(struct timespec){.tv_nsec = REST_TIME}, NULL);
	}
	struct server_usage after = before;
	measure_server(&after);
	rounds->others =
		(after.others - before.others) / (double)(after.usage.at - before.usage.at + 1);
	conclude(rounds);
	counters_reset(&rounds->counters);
	engine_close(rounds->engine, &rounds->counters);
	rounds->interrupted = status == INTERRUPTED;
	if (status == EXIT_OK || status == INTERRUPTED)
		status = is_wrong(rounds) ? fail(rounds, 0, error) : EXIT_OK;
	return status;
}
