// Whether more connections bring more.
#include "experiment.h"

#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "echoload/common/random.h"
#include "net/connect.h"
#include "server.h"

#define PAIRS_MOST 64
#define PAIRS_FEWEST 4
#define IN_PROPORTION 0.2      // of the connections' growth: a gain of less is none
#define LIKELY 0.5	       // the same, where the rate is noisy and the latency tells more
#define PROBES 256	       // round trips that are kept
#define PROBES_FEWEST 3	       // that tell something
#define PAUSE (20 * NS_PER_MS) // between two of them
#define PROBE_PATIENCE_MS 1000

// The first is without the added connections, the second with them.
struct laboratory {
	struct experiment *experiment;
	struct engine *engine;
	const struct load_config *config;
	struct book *found; // gets the faults
	struct book book;   // of a slice
	struct processes_usage before, after;
	double rate[2], load[2]; // sums
	double median[2];	 // of the last slices' latency, ns
	double gains[PAIRS_MOST], typical[PAIRS_MOST];

	_Atomic bool loaded; // by the main thread: connects that begin now count
	_Atomic bool stop;   // by the main thread
	uint64_t least;	     // of the probing thread, until it has ended: us, of all; 0: not known
	uint64_t round_trip[PROBES]; // the same, under load
	size_t probes;
};

// Connects beside the load, and has TCP tell how long that took. No program has to answer.
static void probe_path(struct laboratory *laboratory)
{
	const struct load_config *config = laboratory->config;
	bool loaded = atomic_load(&laboratory->loaded);
	int fd = connect_begin(&config->targets[0], config->source_count ? config->sources : NULL);
	struct pollfd connect = {.fd = fd, .events = POLLOUT};
	struct usage_tcp usage = {0};
	if (fd >= 0 && poll(&connect, 1, PROBE_PATIENCE_MS) > 0 && connect_result(fd) == 0)
		usage_note_connect(&usage, fd);
	if (fd >= 0)
		close(fd);
	uint64_t took = usage.least_round_trip;
	if (took > 0 && (laboratory->least == 0 || took < laboratory->least))
		laboratory->least = took;
	if (took > 0 && loaded && laboratory->probes < PROBES)
		laboratory->round_trip[laboratory->probes++] = took;
}

static void *run_probes(void *argument)
{
	struct laboratory *laboratory = argument;
	while (!atomic_load(&laboratory->stop)) {
		probe_path(laboratory);
		nanosleep(&(struct timespec){.tv_nsec = (long)PAUSE}, NULL);
	}
	return NULL;
}

static int compare_times(const void *one, const void *other)
{
	const uint64_t *a = one, *b = other;
	return (*a > *b) - (*a < *b);
}

// Wrong bytes are wrong whenever they come. `book` is left with nothing else.
static void keep_faults(struct book *found, struct book *book)
{
	const struct load_error_count mismatch = book->errors.of[LOAD_MISMATCH];
	uint64_t count = book->fault_count;
	book_reset(book); // except the list of faults
	book->errors.of[LOAD_MISMATCH] = mismatch;
	book->fault_count = count;
	book_add(found, book);
}

// Loads the run's connections, or with `more` the added ones too, and adds up what came of it.
// Returns the rate, or 0: there is none, as `why` says.
static double load(struct laboratory *laboratory, bool more)
{
	struct experiment *experiment = laboratory->experiment;
	const struct processes ourselves = {.pid = {getpid()}, .count = 1};
	struct processes_usage *before = &laboratory->before, *after = &laboratory->after;
	struct book *book = &laboratory->book;
	uint64_t lasted = 0;
	book_reset(book);
	processes_measure(&ourselves, before);
	atomic_store(&laboratory->loaded, true);
	int failed =
		engine_slice(laboratory->engine, more ? 3 : 1, experiment->slice, book, &lasted);
	atomic_store(&laboratory->loaded, false);
	processes_measure(&ourselves, after);
	experiment->why = NULL;
	if (load_errors_total(&book->errors) + book->unanswered + book->fault_count > 0)
		experiment->why =
			more ? "messages were lost, or connections refused, when some were added"
			     : "messages were lost in the experiment";
	else if (failed || lasted == 0 || book->bytes == 0)
		experiment->why = "the experiment was broken off";
	if (experiment->why) {
		keep_faults(laboratory->found, book);
		return 0;
	}
	// We had nothing to do before the slice began and after it ended.
	const struct processes_load own = processes_load(before, after);
	double whole = (double)(after->at - before->at) / (double)lasted;
	double rate = 1e9 * (double)book->bytes / (double)lasted;
	laboratory->rate[more] += rate;
	laboratory->load[more] += (own.busy + own.waiting) * fmax(whole, 1);
	laboratory->median[more] = (double)hdr_percentile(&book->latency, 50);
	return rate;
}

struct interval99 {
	double mean, half;
};

// Student's, as a series around the normal distribution's quantile.
static struct interval99 interval_of(const double *values, unsigned count)
{
	const double z = 2.5758, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z, free = count - 1;
	double quantile = z + (z3 + z) / 4 / free + (5 * z5 + 16 * z3 + 3 * z) / 96 / free / free +
			  (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / 384 / free / free / free;
	double mean = 0, square = 0;
	for (unsigned i = 0; i < count; i++)
		mean += values[i] / count;
	for (unsigned i = 0; i < count; i++)
		square += (values[i] - mean) * (values[i] - mean) / free;
	return (struct interval99){mean, quantile * sqrt(square / count)};
}

void experiment_judge(struct experiment *experiment, const double *gains, const double *typical)
{
	double grown = (double)experiment->extra / experiment->connections;
	double enough = IN_PROPORTION * grown;
	const struct interval99 rate = interval_of(gains, experiment->pairs);
	const struct interval99 median = interval_of(typical, experiment->pairs);
	experiment->gain = expm1(rate.mean);
	experiment->low = expm1(rate.mean - rate.half);
	experiment->high = expm1(rate.mean + rate.half);
	experiment->typical = expm1(median.mean);
	experiment->outcome = EXPERIMENT_UNCLEAR;
	if (experiment->low > enough)
		experiment->outcome = EXPERIMENT_MORE;
	// A server that pauses makes the rate noisy, but not the median of the latency. That rises
	// in proportion to the connections where they bring no more.
	else if (experiment->high < enough ||
		 (experiment->gain < LIKELY * grown && expm1(median.mean + median.half) < enough))
		experiment->outcome = EXPERIMENT_NO_MORE;
}

// Makes pairs, each in random order, until they tell something or there is no time left.
static void make_pairs(struct laboratory *laboratory, uint64_t time)
{
	struct experiment *experiment = laboratory->experiment;
	uint64_t until = clock_deadline(time);
	struct random random = {.state = clock_now()};
	double grown = 1 + (double)experiment->extra / experiment->connections;
	while (experiment->pairs < PAIRS_MOST && experiment->outcome < EXPERIMENT_MORE &&
	       clock_now() < until) {
		bool first = random_share(&random) < 0.5;
		double rate[2] = {0};
		rate[first] = load(laboratory, first);
		if (rate[first] > 0)
			rate[!first] = load(laboratory, !first);
		if (experiment->why) {
			experiment->outcome = EXPERIMENT_NONE;
			return;
		}
		const double *median = laboratory->median;
		laboratory->typical[experiment->pairs] =
			log(grown * median[0] / median[1]); // connections = rate * latency
		laboratory->gains[experiment->pairs++] = log(rate[1] / rate[0]);
		if (experiment->pairs >= PAIRS_FEWEST)
			experiment_judge(experiment, laboratory->gains, laboratory->typical);
	}
	if (experiment->outcome == EXPERIMENT_NONE)
		experiment->why = "the experiment took too long";
}

// With connects beside the load, if there is a path.
static void run_experiment(struct laboratory *laboratory, uint64_t time)
{
	const struct load_config *config = laboratory->config;
	struct experiment *experiment = laboratory->experiment;
	pthread_t thread;
	bool probed = config->target_count == 1 && config->targets[0].as.any.sa_family != AF_UNIX &&
		      thread_start(&thread, "echoload/path", run_probes, laboratory, NULL) == 0;
	make_pairs(laboratory, time);
	atomic_store(&laboratory->stop, true);
	if (probed)
		pthread_join(thread, NULL);
	if (laboratory->probes < PROBES_FEWEST)
		return;
	qsort(laboratory->round_trip, laboratory->probes, sizeof(laboratory->round_trip[0]),
	      compare_times);
	// The path's queues are not full when a slice begins: the upper quartile.
	size_t quartile = laboratory->probes * 3 / 4;
	experiment->round_trip = (double)laboratory->round_trip[quartile] * 1e3;
	experiment->least_round_trip = (double)laboratory->least * 1e3;
}

void experiment_make(struct experiment *experiment, struct engine *engine,
		     const struct load_config *config, uint64_t slice, uint64_t time,
		     struct book *found)
{
	*experiment = (struct experiment){.why = "there was no memory for one",
					  .connections = config->connections,
					  .extra = config->extra,
					  .slice = slice,
					  .least_round_trip = NAN,
					  .round_trip = NAN};
	struct laboratory *laboratory = calloc(1, sizeof(*laboratory));
	if (!laboratory)
		return;
	experiment->why = NULL;
	laboratory->experiment = experiment;
	laboratory->engine = engine;
	laboratory->config = config;
	laboratory->found = found;
	run_experiment(laboratory, time);
	experiment->rate = laboratory->rate[0] / experiment->pairs;
	experiment->load = laboratory->load[0] / experiment->pairs;
	experiment->load_more = laboratory->load[1] / experiment->pairs;
	free(laboratory);
}
