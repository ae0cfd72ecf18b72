// What limited a run.
#include "verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"

// Shares of the time.
#define FULL 0.95     // a thread or CPU that had work for that long had no more to give
#define FREE 0.85     // one that had less had time
#define IDLE 0.05     // CPUs that were idle for less had no more to give
#define MUCH 0.33     // of our CPUs, used by us: we are one of those who used them up
#define STARVED 0.25  // without a CPU that was wanted: that limits us
#define HELD_UP 0.10  // the same: too much to blame others
#define STOLEN 0.2    // of the CPU time that this machine wanted: too much to blame anybody
#define QUOTA 0.02    // held up by a quota: it limits us
#define FAILING 0.2   // of the connections' time, after errors: too much to blame anybody
#define NEEDY 0.05    // the server was stopped, or held up by its quota
#define POLLS 0.5     // the server was on a CPU without load: its CPU time says nothing
#define WINDOW 0.5    // of the sending time, of a stream: the peer does not read
#define RESENDING 0.2 // of the connections' time, lost by sending again
#define LOSING 0.33   // the same: no more needs to be known
#define QUEUED 0.5    // of the latency, spent in the path's queues

#define QUEUE 5e6      // ns: longer than threads and packets wait for a CPU
#define INTERVALS 8    // fewer do not tell whether latency rises
#define LATE 1e6       // ns
#define OWN 0.3	       // of the latency: so much of it is our own lateness, and worth a word
#define OTHER_RATE 1.5 // times the rate of the run: the experiment was made with something else

struct trial {
	struct verdict *verdict;
	const struct load_config *config;
	const struct engine_result *result;
	const struct evidence *evidence;
};

const char *verdict_name(enum verdict_kind kind)
{
	static const char *const names[VERDICT_KINDS] = {
		"RATE-LIMITED", "OVERLOADED",	 "CLIENT-BOUND", "CONCURRENCY-BOUND",
		"SERVER-BOUND", "NETWORK-BOUND", "SATURATED",	 "INCONCLUSIVE",
	};
	return names[kind];
}

__attribute__((format(printf, 2, 3))) static void say(const struct trial *trial, const char *format,
						      ...)
{
	struct verdict *verdict = trial->verdict;
	if (verdict->count == VERDICT_LINES)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(verdict->line[verdict->count++], VERDICT_LINE, format, arguments);
	va_end(arguments);
}

// Says `text` if the share, whose per cent it has, is known and at least `least`. Returns whether
// it is.
#define SHOWS(trial, share, least, text) \
	((share) >= (least) && (say(trial, text, 100 * (share)), true))

struct text {
	char of[16];
};

static struct text duration(double ns)
{
	struct text text = {""};
	units_format_duration((uint64_t)fmax(ns, 0), text.of, sizeof(text.of));
	return text;
}

static bool has_run_out(const struct trial *trial)
{
	static const enum load_error shortages[] = {LOAD_OUT_OF_PORTS, LOAD_OUT_OF_DESCRIPTORS,
						    LOAD_OUT_OF_MEMORY};
	size_t i = 0;
	while (i < 3 && trial->result->book->errors.of[shortages[i]].count == 0)
		i++;
	if (i < 3)
		say(trial, "we ran out of what this machine gives us: %s",
		    load_error_name(shortages[i]));
	return i < 3;
}

// Whether our lateness is so large a part of the latency that it is worth a word. Says that.
static bool were_late(const struct trial *trial, const char *more)
{
	double own = trial->evidence->lateness_p99;
	bool late =
		own > LATE && own > OWN * (double)hdr_percentile(&trial->result->book->latency, 99);
	if (late)
		say(trial, "we were late ourselves, p99 %s%s", duration(own).of, more);
	return late;
}

// Whether the generator itself was held up. Says by what.
static bool client_was_limit(const struct trial *trial)
{
	const struct evidence *evidence = trial->evidence;
	double waiting = evidence->thread_waiting;
	double load = evidence->thread_busy + (isnan(waiting) ? 0 : waiting);
	bool used_up = waiting >= HELD_UP && evidence->idle < IDLE;
	return SHOWS(trial, evidence->throttled, QUOTA,
		     "our CPU quota kept us from running for %.0f %% of the time") ||
	       SHOWS(trial, load, FULL, "our busiest thread had work for %.0f %% of the time") ||
	       SHOWS(trial, used_up ? evidence->own : 0, MUCH,
		     "our CPUs were never idle, we waited for one, and had %.0f %% of them") ||
	       SHOWS(trial, waiting, STARVED, "others had our CPU for %.0f %% of the time") ||
	       SHOWS(trial, evidence->stalled, STARVED,
		     "for %.0f %% of the time we were stopped, or the machine was") ||
	       (!(waiting < HELD_UP) && were_late(trial, ""));
}

// Whether it is not known how much the generator itself was held up. Says by what it may have been.
static bool client_is_suspect(const struct trial *trial)
{
	const struct evidence *evidence = trial->evidence;
	if (isnan(evidence->thread_waiting)) {
		say(trial, "how long we waited for a CPU could not be seen (/proc)");
		return true;
	}
	return SHOWS(trial, evidence->stolen, STOLEN,
		     "the hypervisor gave others %.0f %% of the CPU time wanted here") ||
	       SHOWS(trial, evidence->stalled, HELD_UP,
		     "for %.0f %% of the time we were stopped, or the machine was: how much that "
		     "mattered is not known") ||
	       SHOWS(trial, evidence->thread_waiting, HELD_UP,
		     "others had our CPU for %.0f %% of the time: how much that mattered is not "
		     "known");
}

// How busy our threads were in the experiment, with the added connections or without.
static double load_in_experiment(const struct trial *trial, bool more)
{
	const struct experiment *experiment = &trial->evidence->experiment;
	if (trial->config->spin) // always on a CPU
		return trial->evidence->thread_busy * (more ? 1 + experiment->gain : 1);
	return more ? experiment->load_more : experiment->load;
}

// The outcome of the experiment, if it holds. If not, says why.
static enum experiment_outcome consult(const struct trial *trial)
{
	const struct experiment *experiment = &trial->evidence->experiment;
	enum experiment_outcome outcome = experiment->outcome;
	if (outcome == EXPERIMENT_NONE) {
		trial->verdict->needs_experiment = !experiment->why;
		say(trial, "whether more connections bring more is not known: %s",
		    experiment->why ? experiment->why : "no experiment was made");
		return outcome;
	}
	// In doubt it is the generator that limits both.
	double load = load_in_experiment(trial, outcome == EXPERIMENT_NO_MORE);
	double rate = engine_rate(trial->result, trial->result->book->bytes);
	bool holds = false;
	if (outcome == EXPERIMENT_UNCLEAR)
		say(trial, "whether more connections bring more could not be told from noise");
	else if (experiment->lighter && outcome == EXPERIMENT_MORE)
		say(trial, "more connections bring more, but with fewer messages on their way");
	else if (!(load < FREE))
		say(trial, "we had work for %.0f %% of the experiment: too busy to blame others",
		    100 * load);
	else if (trial->config->rate == 0 &&
		 !(fabs(log(experiment->rate / rate)) < log(OTHER_RATE)))
		say(trial, "the experiment had another rate than the run: something has changed");
	else
		holds = true;
	say(trial, "%u connections instead of %u: rate %+.1f %% (%+.1f to %+.1f, %u pairs of %s)",
	    experiment->connections + experiment->extra, experiment->connections,
	    100 * experiment->gain, 100 * experiment->low, 100 * experiment->high,
	    experiment->pairs, duration((double)experiment->slice).of);
	return holds ? outcome : EXPERIMENT_UNCLEAR;
}

// Whether the server could do no more, as far as can be seen. Says by what. `held`: whether it was
// kept from running so much that this alone was the limit.
static bool server_is_full(const struct trial *trial, bool held)
{
	const struct server_view *server = &trial->evidence->server;
	const struct processes_load *load = &server->load;
	double least = held ? STARVED : NEEDY, waited = load->wanted - load->cpu;
	bool works = !(server->at_rest >= POLLS);
	bool used_up = works && load->idle < IDLE && (!held || waited >= STARVED);
	bool full = SHOWS(trial, server->stopped, least,
			  "the server's process was stopped for %.0f %% of the time");
	full |= SHOWS(trial, server->throttled, least,
		      "its CPU quota kept the server from running for %.0f %% of the time");
	full |= SHOWS(trial, works && !held ? load->busy + load->waiting : NAN, FULL,
		      "the server's busiest thread had work for %.0f %% of the time") ||
		SHOWS(trial, used_up ? load->wanted : NAN, FULL,
		      "the server wanted %.0f %% of its CPUs, which were never idle");
	full |= SHOWS(trial, held ? NAN : server->workers_busy, FULL,
		      "the server's workers were busy for %.0f %% of the time");
	return full;
}

// Whether TCP shows that the path is full, or loses. Says how.
static bool path_is_full(const struct trial *trial)
{
	const struct evidence *evidence = trial->evidence;
	bool stream = trial->config->mode == MODE_STREAM;
	if (stream && evidence->window_limited >= WINDOW) // a receiver that is behind drops, too
		return false;
	double least = evidence->experiment.least_round_trip;
	if (evidence->least_round_trip > 0)
		least = fmin(least, evidence->least_round_trip);
	double full = evidence->experiment.round_trip, queue = full - least;
	double waited = hdr_mean(&trial->result->book->latency) - least;
	if (queue > fmax(QUEUE, least) && (stream || queue > QUEUED * waited)) {
		say(trial, "the path is full: connects beside the load took %s, else %s",
		    duration(full).of, duration(least).of);
		return true;
	}
	return SHOWS(trial, evidence->retransmitting, RESENDING,
		     "segments lost on the path and sent again cost some %.0f %% of the time");
}

static enum verdict_kind judge_closed(const struct trial *trial)
{
	// What was measured directly needs no experiment.
	struct verdict *verdict = trial->verdict;
	if (!client_is_suspect(trial) && server_is_full(trial, true))
		return VERDICT_SERVER_BOUND;
	verdict->count = 0;
	enum experiment_outcome outcome = consult(trial);
	if (outcome == EXPERIMENT_MORE) // whatever else had our CPU
		return VERDICT_CONCURRENCY_BOUND;
	if (verdict->needs_experiment)
		return VERDICT_INCONCLUSIVE;
	size_t said = verdict->count;
	verdict->count = 0;
	if (client_is_suspect(trial))
		return VERDICT_INCONCLUSIVE;
	// So is a path that loses much, or whose queue most of the latency is spent in.
	const struct experiment *experiment = &trial->evidence->experiment;
	bool queued = experiment->outcome == EXPERIMENT_UNCLEAR && experiment->gain <= 0;
	if (outcome != EXPERIMENT_NO_MORE &&
	    (queued || trial->evidence->retransmitting >= LOSING) && path_is_full(trial))
		return VERDICT_NETWORK_BOUND;
	verdict->count = said;
	if (outcome != EXPERIMENT_NO_MORE)
		return VERDICT_INCONCLUSIVE;
	bool server = server_is_full(trial, false), path = path_is_full(trial);
	if (server != path)
		return server ? VERDICT_SERVER_BOUND : VERDICT_NETWORK_BOUND;
	say(trial, "what is on the other side is full; whether server or path is not known");
	return VERDICT_SATURATED;
}

static void say_rate(const struct trial *trial)
{
	const struct evidence *evidence = trial->evidence;
	bool rose = evidence->rise > 0;
	say(trial, "%.0f messages a second were due, %.0f answered; latency %s%s",
	    evidence->offered, evidence->served, rose ? "rose by " : "did not rise",
	    rose ? duration(evidence->rise).of : "");
}

static enum verdict_kind judge_open(const struct trial *trial)
{
	const struct evidence *evidence = trial->evidence;
	if (evidence->sustained && evidence->intervals >= INTERVALS) {
		say_rate(trial);
		return VERDICT_RATE_LIMITED;
	}
	if (client_is_suspect(trial))
		return VERDICT_INCONCLUSIVE;
	if (!evidence->steadily) {
		say(trial, "%s",
		    evidence->rise > 0	  ? "latency rose, but not steadily: it may go on or not"
		    : evidence->sustained ? "too short to tell whether latency rises"
					  : "messages were not answered in time");
		say_rate(trial);
		return VERDICT_INCONCLUSIVE;
	}
	// In a server that is full messages wait when they have been sent, too.
	enum experiment_outcome outcome = EXPERIMENT_NO_MORE;
	if (hdr_mean(&trial->result->book->latency) >
	    2 * hdr_mean(&trial->result->book->uncorrected))
		outcome = consult(trial);
	say_rate(trial);
	return outcome == EXPERIMENT_MORE      ? VERDICT_CONCURRENCY_BOUND
	       : outcome == EXPERIMENT_NO_MORE ? VERDICT_OVERLOADED
					       : VERDICT_INCONCLUSIVE;
}

static enum verdict_kind judge(const struct trial *trial)
{
	const struct book *book = trial->result->book;
	if (book->messages == 0 && book->bytes == 0) {
		say(trial, "nothing came back");
		return VERDICT_INCONCLUSIVE;
	}
	if (trial->result->lasted < NS_PER_S) {
		say(trial, "too short to tell: less than a second was recorded");
		return VERDICT_INCONCLUSIVE;
	}
	if (has_run_out(trial))
		return VERDICT_CLIENT_BOUND;
	// What was measured tells nothing of a time in which there was nothing to talk to.
	if (SHOWS(trial, trial->evidence->failing, FAILING,
		  "connections that failed and were tried again took %.0f %% of the time"))
		return VERDICT_INCONCLUSIVE;
	if (client_was_limit(trial))
		return VERDICT_CLIENT_BOUND;
	return trial->config->rate > 0 ? judge_open(trial) : judge_closed(trial);
}

// What else was seen, for those who read on.
static void say_more(const struct trial *trial)
{
	const struct evidence *evidence = trial->evidence;
	const struct server_view *server = &evidence->server;
	if (trial->verdict->kind != VERDICT_CLIENT_BOUND)
		(void)were_late(trial, ": that is part of the latency");
	(void)SHOWS(trial, evidence->thread_busy, 0, "our threads: %.0f %% of a CPU at most");
	if (server->other)
		say(trial, "--control is ignored: that echod did not send what we received");
	if (server->changed)
		say(trial, "the server's processes come and go: its CPU time is not known");
	if (server->at_rest >= POLLS)
		say(trial, "the server is on a CPU without load, too");
	(void)SHOWS(trial, server->load.cpu, 0, "the server: %.0f %% of the CPUs it may use");
	(void)SHOWS(trial, server->workers_busy, 0, "its workers: %.0f %% seen serving");
}

void verdict_reach(struct verdict *verdict, const struct engine_result *result,
		   const struct evidence *evidence)
{
	const struct trial trial = {verdict, result->config, result, evidence};
	*verdict = (struct verdict){0};
	verdict->kind = judge(&trial);
	say_more(&trial);
}
