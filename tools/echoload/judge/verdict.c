// The verdict. Its thresholds were chosen so that between them lies what cannot be told apart.
#include "verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"

#define BUSY 0.95    // who had work for so much of the time had no more to give
#define STOLEN 0.2   // of the CPU time that this machine wanted: nothing can be said
#define FREE 0.85    // who had less was waiting for somebody else
#define HELD_UP 0.10 // of the time without a CPU that was wanted: too much to blame others
#define STARVED 0.25 // of the time without it: so much limits us
#define WANTING 0.20 // the same of the server
#define QUOTA 0.02   // of the time held up by a quota: it counts
#define NEEDY 0.05   // of the time the server was stopped, held up by its quota, or gave no answer
// Of the run: how long the longest answer may take, for what was due at the end to be no sign of a
// backlog.
#define SHORT 0.02
#define OWN 0.3		 // of the latency: so much of it is our own lateness, and worth a word
#define PATH 0.5	 // of the mean latency: so much is the path's, and the network decides
#define WINDOW 0.5	 // of the sending time: the peer does not read
#define QUEUE 10e6	 // ns: so much longer than an empty path does it take,
#define QUEUED 3	 // and so many times as long
#define RESENDING 0.2	 // of the connections' time lost by sending again
#define IDLE 0.5	 // who was busy less was idle
#define MUCH 0.9	 // of the offered rate: who served less has missed much of it
#define POLLS 0.2	 // of the time: the CPU that the server used says little
#define NO_WAKE_UP 0.5e6 // ns: longer than threads and processes take to be woken
#define FAILING 0.2	 // of the connections' time spent after errors: too much to blame somebody

const char *verdict_name(enum verdict_kind kind)
{
	static const char *const names[VERDICT_KINDS] = {
		"SERVER-BOUND", "CLIENT-BOUND", "RATE-LIMITED", "NETWORK-BOUND", "INCONCLUSIVE",
	};
	return names[kind];
}

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

static double load_of_client(const struct evidence *evidence)
{
	return evidence->thread_busy + evidence->thread_waiting;
}

static bool ran_out(struct verdict *verdict, const struct facts *facts)
{
	static const enum load_error shortages[] = {LOAD_OUT_OF_PORTS, LOAD_OUT_OF_DESCRIPTORS,
						    LOAD_OUT_OF_MEMORY};
	for (size_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
		if (facts->errors->of[shortages[i]].count == 0)
			continue;
		say(verdict, "we ran out of what this machine gives us: %s",
		    load_error_name(shortages[i]));
		return true;
	}
	return false;
}

// Whether the generator itself was held up. Says by what.
static bool client_was_limit(struct verdict *verdict, const struct load_config *config,
			     const struct evidence *evidence)
{
	char text[16];
	if (evidence->throttled > QUOTA) {
		say(verdict, "our CPU quota kept us from running for %.0f %% of the time",
		    100 * evidence->throttled);
		return true;
	}
	if (load_of_client(evidence) >= BUSY) {
		say(verdict,
		    "our busiest thread had work for %.0f %% of the time, a CPU for %.0f %%",
		    100 * load_of_client(evidence), 100 * evidence->thread_busy);
		return true;
	}
	if (evidence->thread_waiting >= STARVED) {
		say(verdict, "others had our CPU for %.0f %% of the time",
		    100 * evidence->thread_waiting);
		return true;
	}
	if (evidence->stalled >= STARVED) {
		say(verdict, "for %.0f %% of the time we were stopped, or the machine was",
		    100 * evidence->stalled);
		return true;
	}
	if (config->rate > 0 && evidence->lateness_p99 > 1e6 &&
	    evidence->thread_waiting > HELD_UP) {
		say(verdict,
		    "we were late ourselves, p99 %s: others had our CPU for %.0f %% of the time",
		    units_format_duration((uint64_t)evidence->lateness_p99, text, sizeof(text)),
		    100 * evidence->thread_waiting);
		return true;
	}
	return false;
}

// What was due and has not been answered within the time is a backlog, unless no answer takes long
// compared with the run.
static bool rate_was_served(struct verdict *verdict, const struct facts *facts,
			    const struct evidence *evidence)
{
	bool quick = facts->unanswered == 0 &&
		     (double)facts->latency->max < SHORT * (double)facts->lasted;
	if (evidence->offered <= 0 ||
	    (evidence->served < VERDICT_SERVED * evidence->offered && !quick))
		return false;
	say(verdict, "%.0f messages a second were due, %.0f served", evidence->offered,
	    evidence->served);
	return true;
}

// Whether a stream filled a queue of the path's, in which connects beside it had to wait.
static bool path_was_full(struct verdict *verdict, const struct evidence *evidence)
{
	char empty[16], full[16];
	double least = evidence->least_round_trip, under_load = evidence->server.connect_round_trip;
	if (under_load < least + QUEUE || under_load < QUEUED * least || least == 0)
		return false;
	say(verdict, "the path was full: connects beside the stream took %s, else %s",
	    units_format_duration((uint64_t)under_load, full, sizeof(full)),
	    units_format_duration((uint64_t)least, empty, sizeof(empty)));
	return true;
}

// Whether most of the time that a message takes is the path's, queues included.
static bool path_was_long(struct verdict *verdict, const struct load_config *config,
			  const struct facts *facts, const struct evidence *evidence)
{
	char path[16], whole[16];
	// Not the median, which does not see that the server stood still between.
	double mean = hdr_mean(facts->latency);
	// TCP's smoothed one is no such thing: an echo may carry the acknowledgement.
	double round_trip = fmax(evidence->least_round_trip, evidence->server.connect_round_trip);
	if (config->mode == MODE_CHURN && config->visit == 1)
		round_trip *= 2; // to connect takes one more
	if (mean <= 0 || round_trip < PATH * mean || round_trip <= NO_WAKE_UP)
		return false;
	say(verdict, "a round trip on the path takes %s, an echo %s on the average",
	    units_format_duration((uint64_t)round_trip, path, sizeof(path)),
	    units_format_duration((uint64_t)mean, whole, sizeof(whole)));
	return true;
}

// What TCP itself saw of the path, below all programs.
static bool path_was_limit(struct verdict *verdict, const struct load_config *config,
			   const struct facts *facts, const struct evidence *evidence)
{
	if (config->mode == MODE_STREAM)
		// A receiver that is behind drops what does not fit its buffer: that is not the
		// path.
		return evidence->window_limited < WINDOW &&
		       (path_was_long(verdict, config, facts, evidence) ||
			path_was_full(verdict, evidence));
	if (path_was_long(verdict, config, facts, evidence))
		return true;
	if (evidence->retransmitting <= RESENDING)
		return false;
	say(verdict, "segments lost on the path and sent again cost some %.0f %% of the time",
	    100 * evidence->retransmitting);
	return true;
}

// With one message on its way at a time either the server or we have work.
static bool takes_turns(const struct load_config *config)
{
	return config->rate == 0 && config->connections == 1 && config->pipeline == 1;
}

// Whether the server was on a CPU without serving.
static bool server_polls(const struct load_config *config, const struct evidence *evidence)
{
	const struct far_end_view *server = &evidence->server;
	return (server->workers_known && server->workers_polling > POLLS) ||
	       (takes_turns(config) && load_of_client(evidence) + server->thread_busy > 1);
}

// Whether the server had no more to give, as far as can be seen on its side.
static bool server_was_needy(struct verdict *verdict, const struct load_config *config,
			     const struct evidence *evidence)
{
	const struct far_end_view *server = &evidence->server;
	size_t before = verdict->count;
	bool polls = server_polls(config, evidence);
	if (server->stopped >= NEEDY)
		say(verdict, "the server's process was stopped for %.0f %% of the time",
		    100 * server->stopped);
	if (server->throttled >= NEEDY)
		say(verdict, "its CPU quota kept the server from running for %.0f %% of the time",
		    100 * server->throttled);
	if (!polls && server->thread_busy + server->thread_waiting >= BUSY)
		say(verdict,
		    "the server's busiest thread had work for %.0f %%, a CPU for %.0f %% of the "
		    "time",
		    100 * (server->thread_busy + server->thread_waiting),
		    100 * server->thread_busy);
	else if (server->thread_waiting >= WANTING)
		say(verdict, "a thread of the server's waited for a CPU for %.0f %% of the time",
		    100 * server->thread_waiting);
	if (!polls && server->cpu >= BUSY)
		say(verdict, "the server used %.0f %% of the CPUs it may use", 100 * server->cpu);
	if (server->workers_busy >= BUSY)
		say(verdict, "the server's workers were busy for %.0f %% of the time",
		    100 * server->workers_busy);
	if (server->silent >= NEEDY && server->stopped <= 0)
		say(verdict, "its control socket did not answer in time %.0f times of 100",
		    100 * server->silent);
	return verdict->count > before;
}

static bool server_was_idle(const struct far_end_view *server)
{
	return server->thread_busy + server->thread_waiting < IDLE && server->cpu < IDLE &&
	       server->workers_busy < IDLE;
}

// Where nothing is known of the server but what TCP tells.
static enum verdict_kind judge_from_afar(struct verdict *verdict, const struct load_config *config,
					 const struct facts *facts, const struct evidence *evidence)
{
	if (config->mode == MODE_STREAM && evidence->window_limited < WINDOW) {
		say(verdict, "neither its window nor the path was seen to be full");
		return VERDICT_INCONCLUSIVE;
	}
	if (config->target_count > 1) {
		say(verdict, "we waited, but for which of the targets is not known");
		return VERDICT_INCONCLUSIVE;
	}
	double path = evidence->server.connect_round_trip, mean = hdr_mean(facts->latency);
	if (path == 0 && config->targets[0].as.any.sa_family != AF_UNIX) {
		say(verdict, "we waited for it, but how long the path is is not known");
		return VERDICT_INCONCLUSIVE;
	}
	if (path >= PATH * mean || (takes_turns(config) && mean < NO_WAKE_UP)) {
		say(verdict, "we waited, but for the path as much as for the server");
		return VERDICT_INCONCLUSIVE;
	}
	say(verdict, "we waited for it, and the path is short: the server, or a proxy before it");
	return VERDICT_SERVER_BOUND;
}

// We had time, the path seems short: what remains is the server, or something between.
static enum verdict_kind judge_the_rest(struct verdict *verdict, const struct load_config *config,
					const struct facts *facts, const struct evidence *evidence)
{
	const struct far_end_view *server = &evidence->server;
	if (server_was_needy(verdict, config, evidence))
		return VERDICT_SERVER_BOUND;
	if (!server->process_known && !server->workers_known)
		return judge_from_afar(verdict, config, facts, evidence);
	// At a rate, a moment of rest at the end leaves some of it unserved.
	bool much = evidence->offered <= 0 || evidence->served < MUCH * evidence->offered;
	bool long_wait = (double)hdr_percentile(facts->latency, 50) > NO_WAKE_UP;
	if (!much || !long_wait || !server_was_idle(server) || load_of_client(evidence) >= IDLE) {
		say(verdict, "neither we nor the server were full: each waited for the other");
		return VERDICT_INCONCLUSIVE;
	}
	if (server->workers_known || server->between) {
		say(verdict,
		    "both we and the server were idle for most of the time: what is between us?");
		return VERDICT_NETWORK_BOUND;
	}
	say(verdict,
	    "what answers there was idle: a proxy, or a server that waits itself (--control?)");
	return VERDICT_INCONCLUSIVE;
}

static enum verdict_kind judge(struct verdict *verdict, const struct load_config *config,
			       const struct facts *facts, const struct evidence *evidence)
{
	if (facts->messages == 0 && facts->bytes == 0) {
		say(verdict, "nothing came back");
		return VERDICT_INCONCLUSIVE;
	}
	if (facts->lasted < NS_PER_S) {
		say(verdict, "too short to tell: less than a second was recorded");
		return VERDICT_INCONCLUSIVE;
	}
	if (ran_out(verdict, facts))
		return VERDICT_CLIENT_BOUND;
	// How busy anyone was tells nothing of a time in which there was nobody to talk to.
	if (evidence->failing > FAILING) {
		say(verdict,
		    "connections that failed and were tried again took %.0f %% of the time",
		    100 * evidence->failing);
		return VERDICT_INCONCLUSIVE;
	}
	if (client_was_limit(verdict, config, evidence))
		return VERDICT_CLIENT_BOUND;
	if (rate_was_served(verdict, facts, evidence)) {
		(void)server_was_needy(verdict, config, evidence); // for those who read on
		return VERDICT_RATE_LIMITED;
	}
	// To a generator that waits for a CPU the path looks slow; a path that is a process waits,
	// too.
	if (evidence->stolen > STOLEN) {
		say(verdict,
		    "the hypervisor gave others %.0f %% of the CPU time wanted here: how much that "
		    "mattered is not known",
		    100 * evidence->stolen);
		return VERDICT_INCONCLUSIVE;
	}
	if (evidence->stalled > HELD_UP) {
		say(verdict,
		    "for %.0f %% of the time we were stopped, or the machine was: how much that "
		    "mattered is not known",
		    100 * evidence->stalled);
		return VERDICT_INCONCLUSIVE;
	}
	if (evidence->thread_waiting > HELD_UP) {
		say(verdict,
		    "others had our CPU for %.0f %% of the time: how much that mattered is not "
		    "known",
		    100 * evidence->thread_waiting);
		return VERDICT_INCONCLUSIVE;
	}
	if (path_was_limit(verdict, config, facts, evidence))
		return VERDICT_NETWORK_BOUND;
	if (load_of_client(evidence) >= FREE) {
		say(verdict,
		    "our busiest thread had work for %.0f %% of the time: neither free nor full",
		    100 * load_of_client(evidence));
		return VERDICT_INCONCLUSIVE;
	}
	return judge_the_rest(verdict, config, facts, evidence);
}

void verdict_reach(struct verdict *verdict, const struct load_config *config,
		   const struct facts *facts, const struct evidence *evidence)
{
	*verdict = (struct verdict){0};
	verdict->kind = judge(verdict, config, facts, evidence);
	const struct far_end_view *server = &evidence->server;
	char text[16];
	double own = evidence->lateness_p99;
	if (own > 1e6 && own > OWN * (double)hdr_percentile(facts->latency, 99))
		say(verdict, "we were late ourselves, p99 %s: that is part of the latency",
		    units_format_duration((uint64_t)own, text, sizeof(text)));
	say(verdict, "our threads: %.0f %% of a CPU at most, %.0f %% of it in the kernel",
	    100 * evidence->thread_busy, 100 * evidence->kernel);
	if (server->process_known)
		say(verdict, "the server: %.0f %% of the CPUs it may use%s", 100 * server->cpu,
		    server_polls(config, evidence) ? ", some of it polling" : "");
	if (server->workers_known)
		say(verdict,
		    "its workers: %.0f %% seen serving, connections waited %s for one on the "
		    "average",
		    100 * server->workers_busy,
		    units_format_duration((uint64_t)server->queue_wait_mean, text, sizeof(text)));
	if (evidence->unread > 0)
		say(verdict,
		    "%.0f bytes lay unread in each of our sockets at the end, on the average",
		    evidence->unread);
}
