#include "run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/signals.h"
#include "echoload/judge/ledger.h"
#include "echoload/judge/server_view.h"

#define DEAD_AFTER (5 * NS_PER_S)
#define PROBE_AFTER (300 * NS_PER_MS) // at the latest, even if some are not connected
// The experiment takes a fifth of the run's time, within these bounds; less if its outcome is clear
// sooner. If it is not clear then, it takes up to twice the run's time, within the same bounds.
#define EXPERIMENT_LEAST (2 * NS_PER_S)
#define EXPERIMENT_MOST (5 * NS_PER_S)
#define SLICES 23 // in that fifth: not in step with the period of a CPU quota, 100 ms

// The state of the run while it lasts.
struct run_monitor {
	const struct load_config *config;
	struct outputs *outputs;
	struct server_probe *server;
	struct series latency; // means of the intervals
	struct load_config experiment;
	struct report_line state;
	unsigned connected; // so far
	uint64_t alive_at;  // when there was a connection
	bool interrupted, disconnected;
};

// Without memory the series goes without this value.
static void add_latency(struct series *series, const struct hdr *latency)
{
	if (latency->count == 0)
		return;
	double *more = realloc(series->value, (series->count + 1) * sizeof(*more));
	if (!more)
		return;
	series->value = more;
	more[series->count++] = hdr_mean(latency);
}

static void take_interval(void *context, const struct interval *interval)
{
	struct run_monitor *monitor = context;
	const struct counters *counters = interval->counters;
	struct report_line *state = &monitor->state;
	double seconds = clock_seconds(interval->to - interval->from);
	state->messages += counters->messages;
	state->rate = seconds > 0 ? (double)counters->messages / seconds : 0;
	state->p50 = hdr_percentile(&counters->latency, 50);
	state->p99 = hdr_percentile(&counters->latency, 99);
	state->errors += load_errors_total(&counters->errors);
	add_latency(&monitor->latency, &counters->latency);
	if (monitor->outputs->recording && !monitor->disconnected)
		outputs_interval(monitor->outputs, interval);
}

// Whether a run without an end of its own waits for a server that does not come back.
static bool server_is_dead(struct run_monitor *monitor, const struct progress *progress)
{
	uint64_t now = clock_now();
	if (progress->live > 0 || progress->connected != monitor->connected ||
	    progress->connected == 0)
		monitor->alive_at = now;
	monitor->connected = progress->connected;
	uint64_t limit =
		monitor->config->timeout == CLOCK_NEVER ? DEAD_AFTER : monitor->config->timeout;
	return monitor->config->duration == CLOCK_NEVER && now - monitor->alive_at > limit;
}

static bool take_progress(void *context, const struct progress *progress)
{
	struct run_monitor *monitor = context;
	const struct load_config *config = monitor->config;
	monitor->state.elapsed = progress->elapsed;
	report_progress(&monitor->outputs->progress, &monitor->state);
	if (progress->elapsed > 0 &&
	    (progress->live >= config->connections || progress->elapsed > PROBE_AFTER))
		server_probe_begin(monitor->server);
	if (progress->elapsed >= config->duration)
		server_probe_end(monitor->server);
	bool dead = server_is_dead(monitor, progress);
	monitor->interrupted = signals_caught() > 0;
	monitor->disconnected = progress->connected == 0 && progress->failed == config->connections;
	return !monitor->interrupted && !monitor->disconnected && !dead;
}

static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

static void end_load(struct run *run, struct engine **engine)
{
	if (*engine)
		engine_close(*engine, run->result.counters);
	*engine = NULL;
}

// Makes the experiment that the verdict asks for. After an open loop it is one of a closed loop
// with as many connections, in which messages wait for a connection all the time. If the messages
// on their way would take too long to come back, there are fewer of them.
static void experiment(struct run *run, struct run_monitor *monitor, struct engine **engine)
{
	struct load_config *config = &monitor->experiment;
	struct experiment *experiment = &run->evidence.experiment;
	uint64_t slice = within(run->result.lasted / 5, EXPERIMENT_LEAST, EXPERIMENT_MOST) / SLICES;
	uint64_t time = within(2 * run->result.lasted, EXPERIMENT_LEAST, EXPERIMENT_MOST);
	*config = *monitor->config;
	config->rate = 0;
	double on_their_way =
		(double)config->connections * config->pipeline * (double)config->sizes.most;
	double in_a_slice =
		(double)run->result.counters->bytes / (double)run->result.lasted * (double)slice;
	if (on_their_way > in_a_slice)
		config->pipeline = (unsigned)fmax(config->pipeline * in_a_slice / on_their_way, 1);
	bool lighter = config->pipeline < monitor->config->pipeline;
	if (lighter || monitor->config->rate > 0)
		end_load(run, engine);
	if (!*engine)
		*engine = engine_open(config, NULL);
	experiment->why = config->extra == 0 ? "--no-experiment" : "there was no memory for one";
	if (*engine && config->extra > 0) {
		experiment_make(experiment, *engine, config, slice, time, run->result.counters);
		run->evidence.server.at_rest = server_probe_at_rest(monitor->server);
	}
	experiment->lighter = lighter;
}

static void judge(struct run *run, struct run_monitor *monitor, struct engine **engine)
{
	run->evidence.server = server_probe_view(monitor->server, run->result.counters->bytes);
	if (run->interrupted)
		run->evidence.experiment.why = "the run was interrupted";
	evidence_gather(&run->evidence, &run->result, &monitor->latency);
	verdict_reach(&run->verdict, &run->result, &run->evidence);
	if (!run->verdict.needs_experiment)
		return;
	experiment(run, monitor, engine);
	verdict_reach(&run->verdict, &run->result, &run->evidence);
}

// Says why there was no connection: the first error.
static int fail_connect(const struct engine_result *result, struct echod_error *error)
{
	const struct load_config *config = result->config;
	enum load_error first = load_errors_first(&result->unconnected);
	uint32_t connection = result->unconnected.of[first].first_connection;
	char many[48] = "", name[ADDRESS_TEXT_SIZE], why[LOAD_ERROR_LINE];
	if (config->target_count > 1)
		snprintf(many, sizeof(many), "any of %zu targets: first to ", config->target_count);
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot connect to %s%s: %s", many,
			 endpoint_format(config_target(config, connection), name),
			 load_error_explain(first, &result->unconnected, why));
}

int run_load(struct run *run, const struct load_config *config, struct outputs *outputs,
	     struct echod_error *error)
{
	*run = (struct run){0};
	struct run_monitor monitor = {
		.config = config,
		.outputs = outputs,
		.server = server_probe_open(config, error),
		.state = {.duration = config->duration, .count = config->count},
	};
	if (!monitor.server)
		return -1;
	const struct engine_calls calls = {take_interval, take_progress, &monitor};
	struct engine *engine = engine_open(config, error);
	int status = engine ? engine_run(engine, &calls, &run->result, error) : -1;
	screen_clear(&outputs->progress);
	server_probe_end(monitor.server);
	run->interrupted = monitor.interrupted;
	if (status == 0 && monitor.disconnected)
		status = fail_connect(&run->result, error);
	if (status == 0) {
		bool is_faulty = ledger_is_faulty(config);
		if (is_faulty) // what was injected is known when the connections are over
			end_load(run, &engine);
		run->result.ledger = ledger_join(&run->result, is_faulty);
		judge(run, &monitor, &engine);
	}
	end_load(run, &engine);
	if (status != 0)
		engine_result_free(&run->result);
	free(monitor.latency.value);
	server_probe_free(monitor.server);
	return status;
}
