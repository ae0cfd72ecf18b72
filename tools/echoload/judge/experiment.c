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
#include "echoload/common/rank.h"
#include "net/connect.h"
#include "server_view.h"

#define PAIRS_MOST 64
// Of the connections' growth:
#define NO_GAIN 0.2	  // less is none
#define IN_PROPORTION 0.5 // an added connection brings at least half of what the others do

#define CONNECT_PAUSE (20 * NS_PER_MS) // between two connects beside the load
#define CONNECT_TIMEOUT_MS 1000
#define CONNECTS_FEWEST 3 // with fewer the round trip is not known

struct trial {
	struct experiment *experiment;
	struct engine *engine;
	const struct load_config *config;
	struct counters *found;	  // gets the faults
	struct counters counters; // of a slice
	struct processes_usage before, after;
	double rate, load; // sums
	double gains[PAIRS_MOST];

	_Atomic bool stop;	// by the main thread
	struct hdr round_trips; // ns; of the thread that connects, until it has ended
};

// Connects beside the load, and asks TCP for the round trip. No program has to answer.
static void *connect_beside(void *argument)
{
	struct trial *trial = argument;
	const struct load_config *config = trial->config;
	const struct endpoint *source = config->source_count ? config->sources : NULL;
	while (!atomic_load(&trial->stop)) {
		struct pollfd connect = {.fd = connect_begin(&config->targets[0], source),
					 .events = POLLOUT};
		struct usage_tcp usage = {0};
		if (connect.fd >= 0 && poll(&connect, 1, CONNECT_TIMEOUT_MS) > 0 &&
		    connect_result(connect.fd) == 0)
			usage_note_connect(&usage, connect.fd);
		if (connect.fd >= 0)
			close(connect.fd);
		if (usage.least_round_trip > 0)
			hdr_record(&trial->round_trips, usage.least_round_trip * NS_PER_US);
		nanosleep(&(struct timespec){.tv_nsec = (long)CONNECT_PAUSE}, NULL);
	}
	return NULL;
}

// Wrong bytes count at any time. `counters` keeps nothing else.
static void keep_faults(struct counters *found, struct counters *counters)
{
	const struct load_error_count mismatch = counters->errors.of[LOAD_MISMATCH];
	uint64_t count = counters->fault_count;
	counters_reset(counters); // except the list of faults
	counters->errors.of[LOAD_MISMATCH] = mismatch;
	counters->fault_count = count;
	counters_add(found, counters);
}

// Loads the run's connections, or with `more` the added ones too. Returns the rate in bytes a
// second, or 0: there is none, as `why` says.
static double load(struct trial *trial, bool more)
{
	struct experiment *experiment = trial->experiment;
	const struct processes ourselves = {.pid = {getpid()}, .count = 1};
	struct counters *counters = &trial->counters;
	uint64_t lasted = 0;
	counters_reset(counters);
	processes_measure(&ourselves, &trial->before);
	int failed =
		engine_slice(trial->engine, more ? 3 : 1, experiment->slice, counters, &lasted);
	processes_measure(&ourselves, &trial->after);
	if (load_errors_total(&counters->errors) + counters->unanswered + counters->fault_count > 0)
		experiment->why =
			more ? "messages were lost, or connections refused, when some were added"
			     : "messages were lost in the experiment";
	else if (failed || lasted == 0 || counters->bytes == 0)
		experiment->why = "the experiment was broken off";
	if (experiment->why) {
		keep_faults(trial->found, counters);
		return 0;
	}
	const struct processes_load own = processes_load(&trial->before, &trial->after);
	double rate = 1e9 * (double)counters->bytes / (double)lasted;
	trial->load += more ? own.busy + own.waiting : 0;
	trial->rate += more ? 0 : rate;
	return rate;
}

void experiment_judge(struct experiment *experiment, const double *gains)
{
	double grown = (double)experiment->extra / experiment->connections;
	const struct rank_interval gain = rank_interval(gains, experiment->pairs, RANK_99);
	experiment->gain = gain.median;
	experiment->low = gain.low;
	experiment->high = gain.high;
	bool some = gain.low > NO_GAIN * grown;
	experiment->outcome = gain.low > IN_PROPORTION * grown		  ? EXPERIMENT_MORE
			      : gain.high < NO_GAIN * grown		  ? EXPERIMENT_NO_MORE
			      : some && gain.high < IN_PROPORTION * grown ? EXPERIMENT_PARTLY
									  : EXPERIMENT_UNCLEAR;
}

// Makes pairs, each in random order, until the outcome is clear or there is no time left.
static void make_pairs(struct trial *trial, uint64_t time)
{
	struct experiment *experiment = trial->experiment;
	uint64_t until = clock_deadline(time);
	struct random random = {.state = clock_now()};
	while (experiment->pairs < PAIRS_MOST && experiment->outcome <= EXPERIMENT_UNCLEAR &&
	       clock_now() < until) {
		bool first = random_share(&random) < 0.5;
		double rate[2] = {0};
		rate[first] = load(trial, first);
		if (rate[first] > 0)
			rate[!first] = load(trial, !first);
		if (experiment->why) {
			experiment->outcome = EXPERIMENT_NONE;
			return;
		}
		trial->gains[experiment->pairs++] = rate[1] / rate[0] - 1;
		experiment_judge(experiment, trial->gains);
	}
	if (isnan(experiment->low)) {
		experiment->outcome = EXPERIMENT_NONE;
		experiment->why = "the experiment took too long";
	}
}

void experiment_make(struct experiment *experiment, struct engine *engine,
		     const struct load_config *config, uint64_t slice, uint64_t time,
		     struct counters *found)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	*experiment = (struct experiment){.why = trial ? NULL : "there was no memory for one",
					  .connections = config->connections,
					  .extra = config->extra,
					  .slice = slice,
					  .least_round_trip = NAN,
					  .round_trip = NAN};
	if (!trial)
		return;
	trial->experiment = experiment;
	trial->engine = engine;
	trial->config = config;
	trial->found = found;
	hdr_reset(&trial->round_trips);
	pthread_t thread;
	bool connects = config->target_count == 1 &&
			config->targets[0].as.any.sa_family != AF_UNIX &&
			thread_start(&thread, "echoload/path", connect_beside, trial, NULL) == 0;
	make_pairs(trial, time);
	atomic_store(&trial->stop, true);
	if (connects)
		pthread_join(thread, NULL);
	if (trial->round_trips.count >= CONNECTS_FEWEST) {
		experiment->round_trip = (double)hdr_percentile(&trial->round_trips, 75);
		experiment->least_round_trip = (double)trial->round_trips.min;
	}
	experiment->rate = trial->rate / experiment->pairs;
	experiment->load = trial->load / experiment->pairs;
	free(trial);
}
