#include "verdict.h"

#include <math.h>

#include "base/clock.h"
#include "echoload/common/rank.h"
#include "echoload/load/generator.h"

#define RTO_MIN_NS 200e6  // that a lost segment usually costs (tcp(7))
#define RISE_SHARE 0.0005 // of the run's time: latency rises by it if the server is by it too slow
#define RISE_NS 5e6	  // longer than threads wait for a CPU
#define UNTIMELY 0.01	  // of the messages due, which may be on their way at the end

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

// The thread of the generator that had the most to do.
static void gather_threads(struct evidence *evidence, const struct usage *usage, bool spin)
{
	double most = -1;
	for (unsigned i = 0; i < usage->threads; i++) {
		const struct usage_thread *thread = &usage->thread[i];
		double ran = (double)(thread->user + thread->system), whole = (double)thread->at;
		// The kernel's clocks and ours do not agree to the last digit.
		double busy = fmin(share(spin ? (double)thread->worked : ran, whole), 1);
		double waiting = fmin(share((double)thread->waited, whole), 1 - busy);
		if (busy + waiting > most) {
			most = busy + waiting;
			evidence->thread_busy = busy;
			evidence->thread_waiting = usage->machine.waits_known ? waiting : NAN;
		}
	}
}

// ns that all connections together waited in vain, and until they were tried again.
static double time_failed(const struct load_errors *errors, uint64_t timeout)
{
	double time = (double)load_errors_total(errors) * (double)CONNECTION_RETRY;
	if (timeout != CLOCK_NEVER)
		time += (double)(errors->of[LOAD_TIMEOUT].count +
				 errors->of[LOAD_CONNECT_TIMEOUT].count) *
			(double)timeout;
	return time;
}

// ns by which the latency rises in the intervals from `from` on; 0: not enough to matter.
static double rise(const struct series *latency, size_t from, uint64_t lasted)
{
	size_t count = latency->count - from;
	double by = count > 0 ? rank_rise(latency->value + from, count) : 0;
	double least = fmax(RISE_SHARE * (double)lasted, RISE_NS);
	return by * (double)latency->count > least * (double)count ? by : 0;
}

static void gather_rate(struct evidence *evidence, const struct engine_result *result,
			const struct series *latency)
{
	const struct counters *counters = result->counters;
	double due = (double)counters->due, behind = due - (double)counters->messages;
	double usual =
		evidence->offered * (double)hdr_percentile(&counters->latency, 99) / NS_PER_S;
	evidence->intervals = (unsigned)latency->count;
	evidence->rise = rise(latency, 0, result->lasted);
	evidence->steadily =
		evidence->rise > 0 && rise(latency, latency->count / 2, result->lasted) > 0;
	evidence->sustained = evidence->rise <= 0 && counters->unanswered == 0 &&
			      behind <= fmax(UNTIMELY * due, usual) + 1;
}

void evidence_gather(struct evidence *evidence, const struct engine_result *result,
		     const struct series *latency)
{
	const struct load_config *config = result->config;
	const struct counters *counters = result->counters;
	const struct usage *usage = &result->usage;
	double lasted = (double)result->lasted;
	double sockets = (double)usage->tcp.sockets;
	double resent = fmax((double)usage->tcp.retransmits - (double)usage->tcp.needless, 0);
	evidence->offered = config->rate > 0 ? engine_rate(result, counters->due) : 0;
	evidence->stalled = share((double)usage->stalled, lasted);
	evidence->throttled = share((double)usage->machine.throttled, lasted);
	evidence->idle = usage->machine.idle
				 ? (double)usage->machine.idle / lasted / usage->machine.cpus
				 : NAN;
	evidence->failing = fmin(share(time_failed(&counters->errors, config->timeout),
				       lasted * config->connections),
				 1);
	evidence->lateness_p99 = (double)hdr_percentile(&counters->lateness, 99);
	evidence->window_limited =
		share((double)usage->tcp.limited_window, (double)usage->tcp.busy);
	evidence->stolen =
		fmin(share((double)usage->machine.stolen, lasted),
		     share((double)usage->machine.stolen, (double)usage->machine.wanted));
	evidence->retransmitting = fmin(share(resent * RTO_MIN_NS, lasted * sockets), 1);
	evidence->least_round_trip = (double)usage->tcp.least_round_trip * 1e3;
	gather_threads(evidence, usage, config->spin);
	if (config->rate > 0)
		gather_rate(evidence, result, latency);
}
