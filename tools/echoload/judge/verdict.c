#include "verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"

// Shares of the time.
#define FULL 0.95	// a thread or CPU that had work for that long had no more to give
#define FREE 0.85	// one that had less had time
#define NEVER_IDLE 0.05 // CPUs that were idle for less had no more to give
#define MUCH 0.33	// on a CPU: we are one of those that used them up
#define STARVED 0.25	// without a CPU that was wanted, or stopped: that was the limit
#define HELD_UP 0.10	// the same, of us: too much to blame others
#define NEEDY 0.05	// the same, of a server that is full
#define STOLEN 0.2	// of the CPU time that this machine wanted: too much to blame anybody
#define QUOTA 0.02	// held up by a quota: it limits us
#define FAILING 0.2	// after errors: too much to blame anybody
#define POLLS 0.5	// the server was on a CPU without load: its CPU time says nothing
#define WINDOW 0.5	// of the sending time: the peer does not read
#define RESENDING 0.2	// waiting for segments to be sent again: the path is full
#define LOSING 0.33	// the same: no more needs to be known
#define NEVER INFINITY
#define QUEUED 0.5 // of the latency, spent in the path's queues

#define QUEUE_NS 5e6	   // longer than threads and packets wait for a CPU
#define INTERVALS_FEWEST 8 // that show whether latency rises
#define LATENESS_NS 1e6	   // from here on our lateness matters,
#define LATENESS_SHARE 0.3 // if it is also this share of the latency
#define CHANGED_FACTOR 1.5 // from the rate of the run to the experiment's: something has changed

const char *const verdict_names[VERDICT_KINDS] = {
	"RATE-LIMITED", "OVERLOADED",	 "CLIENT-BOUND", "CONCURRENCY-BOUND",
	"SERVER-BOUND", "NETWORK-BOUND", "SATURATED",	 "INCONCLUSIVE",
};

__attribute__((format(printf, 2, 3))) static void say(struct verdict *verdict, const char *format,
						      ...)
{
	if (verdict->count == VERDICT_LINES)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(verdict->line[verdict->count++], VERDICT_LINE, format, arguments);
	va_end(arguments);
}

// Whether the share of the time is known and at least `least`. If so, says it.
static bool shows(struct verdict *verdict, double share, double least, const char *what)
{
	if (!(share >= least))
		return false;
	say(verdict, "%s for %.0f %% of the time", what, 100 * share);
	return true;
}

// A share of the time that proves something: from `alone` on by itself, from `least` on together
// with other facts.
struct proof {
	double share, alone, least;
	const char *what;
};

static bool any_shows(struct verdict *verdict, const struct proof *proofs, size_t count, bool alone)
{
	bool any = false;
	for (size_t i = 0; i < count; i++)
		any |= shows(verdict, proofs[i].share, alone ? proofs[i].alone : proofs[i].least,
			     proofs[i].what);
	return any;
}

static bool has_run_out(struct verdict *verdict)
{
	enum load_error kind = LOAD_OUT_OF_PORTS;
	while (kind <= LOAD_OUT_OF_MEMORY && verdict->result->counters->errors.of[kind].count == 0)
		kind++;
	if (kind > LOAD_OUT_OF_MEMORY)
		return false;
	say(verdict, "we ran out of what this machine gives us: %s", load_error_rows[kind].name);
	return true;
}

// Whether the generator itself was held up: if `alone`, so much that this was the limit, else so
// much that nobody else can be blamed. Says by what.
static bool client_was_held_up(struct verdict *verdict, bool alone)
{
	const struct evidence *evidence = verdict->evidence;
	double waiting = evidence->thread_waiting, late = evidence->lateness_p99;
	double load = evidence->thread_busy + (isnan(waiting) ? 0 : waiting);
	bool used_up = waiting >= HELD_UP && evidence->idle < NEVER_IDLE;
	const struct proof proofs[] = {
		{evidence->throttled, QUOTA, QUOTA, "our CPU quota kept us from running"},
		{load, FULL, FULL, "our busiest thread had work"},
		{used_up ? evidence->thread_busy : NAN, MUCH, NEVER,
		 "our CPUs were never idle, we waited for one, and had it"},
		{waiting, STARVED, HELD_UP, "others had our CPU"},
		{evidence->stalled, STARVED, HELD_UP, "we were stopped, or the machine was,"},
		{evidence->stolen, NEVER, STOLEN, "the hypervisor let others run"},
	};
	bool held_up = any_shows(verdict, proofs, sizeof(proofs) / sizeof(proofs[0]), alone);
	if (!alone && isnan(waiting)) {
		say(verdict, "how long we waited for a CPU could not be seen (/proc)");
		return true;
	}
	if (!alone || held_up || waiting < HELD_UP || late <= LATENESS_NS ||
	    late <= LATENESS_SHARE *
			    (double)hdr_percentile(&verdict->result->counters->latency, 99))
		return held_up;
	say(verdict, "we were late ourselves, p99 %s", UNITS_DURATION((uint64_t)late));
	return true;
}

// The outcome of the experiment, if it holds. If not, says why.
static enum experiment_outcome consult(struct verdict *verdict)
{
	const struct experiment *experiment = &verdict->evidence->experiment;
	enum experiment_outcome outcome = experiment->outcome;
	if (outcome == EXPERIMENT_NONE) {
		verdict->needs_experiment = !experiment->why;
		say(verdict, "whether more connections bring more is not known: %s",
		    experiment->why ? experiment->why : "no experiment was made");
		return outcome;
	}
	bool open = verdict->result->config->rate > 0;
	double load =
		verdict->result->config->spin ? verdict->evidence->thread_busy : experiment->load;
	double changed =
		experiment->rate / engine_rate(verdict->result, verdict->result->counters->bytes);
	const char *doubt = NULL;
	if (outcome == EXPERIMENT_UNCLEAR)
		doubt = "whether more connections bring more is hidden by noise";
	else if (outcome == EXPERIMENT_PARTLY)
		doubt = "more connections bring more, but far less than in proportion";
	else if (outcome == EXPERIMENT_MORE && experiment->lighter)
		doubt = "more connections bring more, but with fewer messages on their way";
	else if (outcome == EXPERIMENT_NO_MORE && !(load < FREE))
		doubt = "we were too busy in the experiment to blame others";
	else if (!open && !(fabs(log(changed)) < log(CHANGED_FACTOR)))
		doubt = "the experiment had another rate than the run: something has changed";
	if (doubt)
		say(verdict, "%s", doubt);
	say(verdict, "%u connections instead of %u: rate %+.1f %% (%+.1f to %+.1f, %u pairs of %s)",
	    experiment->connections + experiment->extra, experiment->connections,
	    100 * experiment->gain, 100 * experiment->low, 100 * experiment->high,
	    experiment->pairs, UNITS_DURATION(experiment->slice));
	return doubt ? EXPERIMENT_UNCLEAR : outcome;
}

// Whether the server could do no more, as far as it is known; `alone`: it was kept from running so
// much that this was the limit. Says why.
static bool server_is_full(struct verdict *verdict, bool alone)
{
	const struct server_view *server = &verdict->evidence->server;
	const struct processes_load *load = &server->load;
	bool works = !(server->at_rest >= POLLS), used_up = works && load->idle < NEVER_IDLE;
	const struct proof proofs[] = {
		{server->stopped, STARVED, NEEDY, "the server's process was stopped"},
		{load->throttled, STARVED, NEEDY, "its CPU quota kept the server from running"},
		{works ? load->busy + load->waiting : NAN, NEVER, FULL,
		 "the server's busiest thread had work"},
		{used_up ? load->wanted : NAN, load->wanted - load->cpu >= STARVED ? FULL : NEVER,
		 FULL, "the server wanted its CPUs, which were never idle,"},
		{server->workers_busy, NEVER, FULL, "the server's workers were busy"},
	};
	return any_shows(verdict, proofs, sizeof(proofs) / sizeof(proofs[0]), alone);
}

// Whether the path loses this much. A receiver that is behind drops, too: bytes beyond its window,
// or connects.
static bool path_loses(struct verdict *verdict, double least)
{
	bool drops = load_mode_takes(verdict->result->config->mode, "visit") ||
		     verdict->evidence->window_limited >= WINDOW;
	return !drops && shows(verdict, verdict->evidence->retransmitting, least,
			       "connections waited for segments that the path had lost");
}

// Whether TCP shows that the path is full, or loses. Says how.
static bool path_is_full(struct verdict *verdict)
{
	const struct evidence *evidence = verdict->evidence;
	bool stream = verdict->result->config->mode == MODE_STREAM;
	double least = evidence->experiment.least_round_trip;
	if (evidence->least_round_trip > 0)
		least = fmin(least, evidence->least_round_trip);
	double full = evidence->experiment.round_trip, queue = full - least;
	double waited = hdr_mean(&verdict->result->counters->latency) - least;
	if (!(queue > fmax(QUEUE_NS, least) && (stream || queue > QUEUED * waited)))
		return path_loses(verdict, RESENDING);
	say(verdict, "the path is full: connects beside the load took %s, else %s",
	    UNITS_DURATION((uint64_t)full), UNITS_DURATION((uint64_t)least));
	return true;
}

static enum verdict_kind judge_closed(struct verdict *verdict)
{
	// What was measured directly needs no experiment.
	bool suspect = client_was_held_up(verdict, false);
	if (!suspect && server_is_full(verdict, true))
		return VERDICT_SERVER_BOUND;
	if (!suspect && path_loses(verdict, LOSING))
		return VERDICT_NETWORK_BOUND;
	enum experiment_outcome outcome = consult(verdict);
	if (outcome == EXPERIMENT_MORE) // whatever else had our CPU
		return VERDICT_CONCURRENCY_BOUND;
	if (suspect || outcome != EXPERIMENT_NO_MORE)
		return VERDICT_INCONCLUSIVE;
	bool server = server_is_full(verdict, false), path = path_is_full(verdict);
	if (server != path)
		return server ? VERDICT_SERVER_BOUND : VERDICT_NETWORK_BOUND;
	say(verdict, "what is on the other side is full; whether server or path is not known");
	return VERDICT_SATURATED;
}

static void say_rate(struct verdict *verdict)
{
	const struct evidence *evidence = verdict->evidence;
	bool rose = evidence->rise > 0;
	say(verdict, "%.0f messages a second were due, %.0f answered; latency %s%s",
	    evidence->offered, engine_rate(verdict->result, verdict->result->counters->messages),
	    rose ? "rose by " : "did not rise",
	    rose ? UNITS_DURATION((uint64_t)evidence->rise) : "");
}

static enum verdict_kind judge_open(struct verdict *verdict)
{
	const struct evidence *evidence = verdict->evidence;
	if (evidence->sustained && evidence->intervals >= INTERVALS_FEWEST) {
		say_rate(verdict);
		return VERDICT_RATE_LIMITED;
	}
	if (client_was_held_up(verdict, false))
		return VERDICT_INCONCLUSIVE;
	if (!evidence->steadily) {
		say(verdict, "%s",
		    evidence->rise > 0	  ? "latency rose, but not steadily: it may go on or not"
		    : evidence->sustained ? "too short to tell whether latency rises"
					  : "messages were not answered in time");
		say_rate(verdict);
		return VERDICT_INCONCLUSIVE;
	}
	// In a full server messages also wait after they have been sent. A server that was kept
	// from running needs no experiment.
	enum experiment_outcome outcome = EXPERIMENT_NO_MORE;
	if (hdr_mean(&verdict->result->counters->latency) >
		    2 * hdr_mean(&verdict->result->counters->uncorrected) &&
	    !server_is_full(verdict, true))
		outcome = consult(verdict);
	say_rate(verdict);
	return outcome == EXPERIMENT_MORE      ? VERDICT_CONCURRENCY_BOUND
	       : outcome == EXPERIMENT_NO_MORE ? VERDICT_OVERLOADED
					       : VERDICT_INCONCLUSIVE;
}

static enum verdict_kind judge(struct verdict *verdict)
{
	const struct counters *counters = verdict->result->counters;
	if (counters->messages == 0 && counters->bytes == 0) {
		say(verdict, "nothing came back");
		return VERDICT_INCONCLUSIVE;
	}
	if (verdict->result->lasted < NS_PER_S) {
		say(verdict, "too short to tell: less than a second was recorded");
		return VERDICT_INCONCLUSIVE;
	}
	if (has_run_out(verdict))
		return VERDICT_CLIENT_BOUND;
	// Measurements say nothing about a time in which there was nothing to talk to.
	if (shows(verdict, verdict->evidence->failing, FAILING,
		  "there were connections that failed and were tried again"))
		return VERDICT_INCONCLUSIVE;
	if (client_was_held_up(verdict, true))
		return VERDICT_CLIENT_BOUND;
	return verdict->result->config->rate > 0 ? judge_open(verdict) : judge_closed(verdict);
}

// Other facts, for those who read on.
static void say_more(struct verdict *verdict)
{
	const struct evidence *evidence = verdict->evidence;
	const struct server_view *server = &evidence->server;
	if (server->other)
		say(verdict, "--control is ignored: that echod did not send what we received");
	if (server->changed)
		say(verdict, "the server's processes come and go: its CPU time is not known");
	if (server->at_rest >= POLLS)
		say(verdict, "the server is on a CPU without load, too");
	say(verdict, "our threads: %.0f %% of a CPU at most", 100 * evidence->thread_busy);
	if (server->load.cpu >= 0)
		say(verdict, "the server: %.0f %% of the CPUs it may use", 100 * server->load.cpu);
	if (server->workers_busy >= 0)
		say(verdict, "its workers: %.0f %% seen serving", 100 * server->workers_busy);
}

void verdict_reach(struct verdict *verdict, const struct engine_result *result,
		   const struct evidence *evidence)
{
	*verdict = (struct verdict){.result = result, .evidence = evidence};
	verdict->kind = judge(verdict);
	say_more(verdict);
}
