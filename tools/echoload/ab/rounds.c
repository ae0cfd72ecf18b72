// The measurement of `echoload ab`.
#include "rounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/signals.h"
#include "echoload/common/random.h"
#include "echoload/load/usage.h"

#define WARMUP (100 * NS_PER_MS) // of each target, if none is asked for
#define LEAST (5 * NS_PER_MS)	 // a slice, if none is asked for: this,
#define MOST (100 * NS_PER_MS)	 // but at most this,
#define TURNS 3.0		 // and so many messages on each connection,
#define MESSAGES 100.0		 // and so many in all
#define SETTLE NS_PER_MS	 // goes before a slice, unrecorded: this,
#define SETTLE_TURNS 1.5	 // and so many messages on each connection
#define PATIENCE (60 * NS_PER_S) // for a message that a slice begins
#define LOOK_EVERY 32		 // rounds, whether all is known well enough
#define TICKS (100 * NS_PER_MS)	 // /proc counts in some
#define REST (300 * NS_PER_MS)	 // shows what others use if a server cannot be seen
#define TWINS 0.01		 // what two starts of one program differ by

const char *const measure_names[MEASURES] = {
	[MEASURE_RATE] = "rate",
	[MEASURE_P50] = "p50",
	[MEASURE_P99] = "p99",
	[MEASURE_CPU] = "cpu",
};

// A ratio of latency is made of so many messages at least.
static const struct {
	uint64_t messages;
	double percent;
} pieces[MEASURES] = {
	[MEASURE_P50] = {.messages = 100, .percent = 50},
	[MEASURE_P99] = {.messages = 1000, .percent = 99},
};

static void reset(struct sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	hdr_reset(&sums->latency);
}

static void add(struct sums *sum, const struct sums *sums, const struct hdr *latency)
{
	sum->messages += sums->messages;
	sum->lasted += sums->lasted;
	sum->answered += sums->answered;
	sum->cpu += sums->cpu;
	sum->took += sums->took;
	sum->worked += sums->worked;
	if (latency)
		hdr_add(&sum->latency, latency);
}

double rounds_value(const struct sums *sums, enum measure measure)
{
	if (sums->messages == 0 || (measure == MEASURE_CPU && sums->cpu == 0))
		return NAN;
	if (measure == MEASURE_CPU)
		return (double)sums->cpu / (double)sums->answered;
	if (pieces[measure].percent > 0)
		return (double)hdr_percentile(&sums->latency, pieces[measure].percent);
	return (double)sums->messages * (double)NS_PER_S / (double)sums->lasted;
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec time;
	if (clock_gettime(clock, &time) != 0)
		return 0;
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

// ns that all processes of a server have used; 0: not known.
static uint64_t read_server(const struct processes *processes)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < processes->count; i++) {
		clockid_t clock;
		uint64_t time = 0;
		if (clock_getcpuclockid(processes->pid[i], &clock) == 0)
			time = read_clock(clock);
		if (time == 0)
			return 0;
		sum += time;
	}
	return sum;
}

// The same, with the threads and children that have ended, as /proc counts.
static uint64_t read_ran(const struct processes *processes)
{
	static struct processes_usage usage;
	processes_measure(processes, &usage);
	return usage.ran;
}

static void find_server(const struct rounds *rounds, size_t target, struct server *server)
{
	server->processes.count = 0;
	processes_find(&server->processes, &rounds->config->targets[target],
		       load_mode_takes(rounds->config->mode, "visit"));
	server->ran = read_ran(&server->processes);
	server->clocks = read_server(&server->processes);
}

// Whether the clocks have seen all: no process has come or gone, and no child has worked for them.
static bool has_seen_all(const struct rounds *rounds, size_t target)
{
	const struct server *before = &rounds->servers[target];
	struct server now;
	find_server(rounds, target, &now);
	uint64_t seen = now.clocks - before->clocks;
	return before->clocks > 0 && processes_same(&now.processes, &before->processes) &&
	       now.ran - before->ran < seen + seen / 10 + TICKS;
}

// The first fault other than that the stream ended: that is one of the errors. NULL: none.
static const struct fault *first_fault(const struct book *book)
{
	for (size_t i = 0; i < book->fault_count && i < BOOK_FAULTS; i++) {
		if (book->faults[i].kind != FAULT_TRUNCATED)
			return &book->faults[i];
	}
	return NULL;
}

// Says what went wrong in the last slice, maybe at a target that rested. Returns the status to exit
// with.
static int fail(const struct rounds *rounds, size_t target, struct error *error)
{
	const struct book *book = &rounds->book;
	const struct fault *fault = first_fault(book);
	enum load_error kind = load_errors_first(&book->errors);
	char address[ADDRESS_TEXT_SIZE];
	char what[LOAD_ERROR_LINE] = "nothing was answered";
	if (fault)
		snprintf(what, sizeof(what), "wrong bytes came back: %s, %ju from byte %ju on",
			 fault_kind_name(fault->kind), (uintmax_t)fault->length,
			 (uintmax_t)fault->offset);
	else if (kind < LOAD_ERRORS)
		load_error_explain(kind, &book->errors, what);
	if (fault || kind < LOAD_ERRORS)
		target = (fault ? fault->connection : book->errors.of[kind].first_connection) %
			 rounds->config->target_count;
	endpoint_format(&rounds->config->targets[target], address);
	error_set(error, ERROR_SYSTEM, "%s (%s): %s", rounds->names[target], address, what);
	if (fault || kind == LOAD_MISMATCH)
		return EXIT_CHECK_FAILED;
	bool reached = rounds->contenders[target].all.messages > 0;
	return !reached && kind <= LOAD_SELF_CONNECT ? EXIT_UNREACHABLE : EXIT_INCONCLUSIVE;
}

// Loads a target for a slice. Returns EXIT_OK, or a status with `error`.
static int load(struct rounds *rounds, size_t target, uint64_t slice, struct sums *sums,
		struct error *error)
{
	struct book *book = &rounds->book;
	uint64_t give_up = clock_deadline(PATIENCE);
	do { // again if the machine is so busy that nothing began in so short a time
		uint64_t server = read_server(&rounds->servers[target].processes);
		uint64_t began = clock_now(), own = read_clock(CLOCK_PROCESS_CPUTIME_ID);
		int status = engine_slice(rounds->engine, UINT64_C(1) << target, slice, book,
					  &sums->lasted);
		sums->worked = read_clock(CLOCK_PROCESS_CPUTIME_ID) - own;
		sums->took = clock_now() - began;
		uint64_t after = read_server(&rounds->servers[target].processes);
		sums->cpu = after > server ? after - server : 0;
		rounds->interrupted = signals_caught() > 0;
		bool failed = status != 0 || load_errors_total(&book->errors) > 0 ||
			      clock_now() > give_up;
		if (first_fault(book) || (failed && !rounds->interrupted))
			return fail(rounds, target, error);
	} while (book->messages == 0 && !rounds->interrupted);
	sums->messages = book->messages;
	sums->answered = book->answered;
	return EXIT_OK;
}

// Adds what the ratio of a contender's part to `base` is, if it is known.
static void append(struct contender *contender, enum measure measure, double base)
{
	double ratio = rounds_value(&contender->since[measure], measure) / base;
	size_t count = contender->ratio_count[measure];
	if (isnan(ratio))
		return;
	double *ratios = realloc(contender->ratios[measure], (count + 1) * sizeof(*ratios));
	if (!ratios)
		return; // without memory it is one value less
	ratios[count] = ratio;
	contender->ratios[measure] = ratios;
	contender->ratio_count[measure]++;
}

// Adds ratios if all have counted enough for one. Both parts of the first target together are what
// the others are compared with.
static void add_ratios(struct rounds *rounds, enum measure measure)
{
	struct contender *all = rounds->contenders, *second = &all[rounds->count - 1];
	for (size_t i = 0; i < rounds->count; i++) {
		if (all[i].since[measure].messages < pieces[measure].messages)
			return;
	}
	struct sums *first = &all[0].since[measure];
	append(second, measure, rounds_value(first, measure));
	add(first, &second->since[measure], &second->since[measure].latency);
	for (size_t i = 1; i + 1 < rounds->count; i++)
		append(&all[i], measure, rounds_value(first, measure));
	for (size_t i = 0; i < rounds->count; i++)
		reset(&all[i].since[measure]);
}

// Loads each target for a slice, in random order. What the first one then counts is that of
// contender `first`.
static int run_half(struct rounds *rounds, size_t first, struct error *error)
{
	static struct sums sums;
	size_t order[CONFIG_ENDPOINTS] = {0};
	for (size_t i = 0; i < rounds->config->target_count; i++) {
		size_t place = (size_t)(random_next(&rounds->random) % (i + 1));
		order[i] = order[place];
		order[place] = i;
	}
	for (size_t i = 0; i < rounds->config->target_count; i++) {
		size_t target = order[i];
		int status = load(rounds, target, rounds->slice, &sums, error);
		if (status != EXIT_OK || rounds->interrupted)
			return status;
		struct contender *contender = &rounds->contenders[target == 0 ? first : target];
		add(&rounds->contenders[target].all, &sums, &rounds->book.latency);
		for (enum measure k = 0; k < MEASURES; k++)
			add(&contender->since[k], &sums,
			    pieces[k].percent > 0 ? &rounds->book.latency : NULL);
	}
	return EXIT_OK;
}

static int run_round(struct rounds *rounds, struct error *error)
{
	int status = run_half(rounds, 0, error);
	if (status == EXIT_OK && !rounds->interrupted)
		status = run_half(rounds, rounds->count - 1, error);
	if (status != EXIT_OK || rounds->interrupted)
		return status;
	rounds->done++;
	for (enum measure measure = 0; measure < MEASURES; measure++)
		add_ratios(rounds, measure);
	return EXIT_OK;
}

// Connects all, and finds out how long a slice is to be, and which processes answer.
static int begin(struct rounds *rounds, struct error *error)
{
	struct load_config *config = rounds->config;
	uint64_t warmup = config->warmup ? config->warmup : WARMUP;
	double connections = (double)config->connections / (double)config->target_count;
	double gap = 0; // ns between two messages of the slowest
	static struct sums sums;
	for (size_t i = 0; i < config->target_count; i++) {
		int status = load(rounds, i, warmup, &sums, error);
		if (status != EXIT_OK || rounds->interrupted)
			return status;
		find_server(rounds, i, &rounds->servers[i]);
		gap = fmax(gap, (double)sums.lasted / (double)sums.messages);
	}
	double slice = fmax((double)LEAST, gap * fmax(TURNS * connections, MESSAGES));
	if (rounds->slice == 0)
		rounds->slice = (uint64_t)fmin(slice, (double)MOST);
	// In a shorter one messages do not flow evenly: then all that is begun in it counts.
	if ((double)rounds->slice >= floor(slice))
		config->settle = (uint64_t)fmax((double)SETTLE, gap * SETTLE_TURNS * connections);
	return EXIT_OK;
}

// Makes an interval wider by what says nothing of the programs: that their starts differ, and that
// the first target differs from itself.
static void widen(struct median *ratio, const struct median *itself)
{
	double doubt = ratio->value * TWINS;
	if (median_differs(itself, 1))
		doubt = hypot(doubt, ratio->value * (itself->value - 1));
	ratio->low = fmax(0, ratio->value - hypot(ratio->value - ratio->low, doubt));
	ratio->high = ratio->value + hypot(ratio->high - ratio->value, doubt);
}

// Finds the medians. Without all of the CPU time those of CPU are not known.
static void conclude(struct rounds *rounds)
{
	const struct median *itself = rounds->contenders[rounds->count - 1].ratio;
	bool first_seen = has_seen_all(rounds, 0);
	for (size_t i = rounds->count; i-- > 0;) {
		struct contender *contender = &rounds->contenders[i];
		bool seen = i == 0 || i + 1 == rounds->count ? first_seen : has_seen_all(rounds, i);
		if (!seen)
			contender->all.cpu = 0;
		if (!seen || !first_seen)
			contender->ratio_count[MEASURE_CPU] = 0;
		for (enum measure k = 0; k < MEASURES; k++) {
			contender->ratio[k] =
				median_of(contender->ratios[k], contender->ratio_count[k]);
			if (i + 1 < rounds->count && !isnan(contender->ratio[k].low))
				widen(&contender->ratio[k], &itself[k]);
		}
	}
}

// Whether the intervals of all rates are narrow enough.
static bool is_known(const struct rounds *rounds)
{
	if (rounds->until == 0 || rounds->done == 0 || rounds->done % LOOK_EVERY)
		return false;
	for (size_t i = 1; i < rounds->count; i++) {
		const struct contender *contender = &rounds->contenders[i];
		const struct median median = median_of(contender->ratios[MEASURE_RATE],
						       contender->ratio_count[MEASURE_RATE]);
		if (!(median.high - median.low < rounds->until))
			return false;
	}
	return true;
}

// ns of CPU that neither the generator nor these servers have used since the machine was started.
static double read_others(const struct processes *servers)
{
	uint64_t wanted = usage_of_machine().wanted;
	double known = (double)read_clock(CLOCK_PROCESS_CPUTIME_ID) + (double)read_ran(servers);
	return wanted > 0 ? (double)wanted - known : NAN;
}

// Whether one may run on CPUs that the first may not run on, or the other way round.
static bool are_apart(const struct rounds *rounds)
{
	static struct processes_usage first, usage;
	bool apart = false;
	processes_measure(&rounds->servers[0].processes, &first);
	for (size_t i = 1; i < rounds->config->target_count; i++) {
		processes_measure(&rounds->servers[i].processes, &usage);
		apart |= CPU_COUNT(&first.cpus) > 0 && CPU_COUNT(&usage.cpus) > 0 &&
			 !CPU_EQUAL(&first.cpus, &usage.cpus);
	}
	return apart;
}

// CPUs that others use while nothing is loaded.
static double others_at_rest(void)
{
	const struct processes none = {.count = 0};
	const struct timespec rest = {.tv_nsec = REST};
	double before = read_others(&none);
	uint64_t from = clock_now();
	nanosleep(&rest, NULL);
	return (read_others(&none) - before) / (double)(clock_now() - from + 1);
}

static int run_rounds(struct rounds *rounds, struct error *error)
{
	struct processes servers = {.count = 0};
	uint64_t began = clock_now(), deadline = clock_deadline(rounds->config->duration);
	int status = begin(rounds, error);
	bool known = true;
	for (size_t i = 0; i < rounds->config->target_count && known; i++)
		known = processes_find(&servers, &rounds->config->targets[i],
				       load_mode_takes(rounds->config->mode, "visit"));
	double rest = known ? 0 : others_at_rest();
	double others = read_others(&servers);
	uint64_t from = clock_now();
	while (status == EXIT_OK && !rounds->interrupted && !is_known(rounds) &&
	       (rounds->most == 0 || rounds->done < rounds->most) && clock_now() < deadline)
		status = run_round(rounds, error);
	rounds->lasted = clock_now() - began;
	rounds->apart = are_apart(rounds);
	rounds->others = known ? (read_others(&servers) - others) / (double)(clock_now() - from + 1)
			       : fmax(rest, others_at_rest());
	conclude(rounds);
	book_reset(&rounds->book);
	engine_close(rounds->engine, &rounds->book);
	return status == EXIT_OK && first_fault(&rounds->book) ? fail(rounds, 0, error) : status;
}

int rounds_run(struct rounds *rounds, struct error *error)
{
	rounds->count = rounds->config->target_count + 1;
	rounds->random.state = rounds->config->run;
	for (size_t i = 0; i < rounds->count; i++) {
		reset(&rounds->contenders[i].all);
		for (enum measure k = 0; k < MEASURES; k++)
			reset(&rounds->contenders[i].since[k]);
	}
	rounds->engine = engine_open(rounds->config, error);
	if (!rounds->engine)
		return error->kind == ERROR_USAGE ? EXIT_USAGE : EXIT_UNREACHABLE;
	return run_rounds(rounds, error);
}
