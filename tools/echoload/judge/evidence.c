// What a run has measured, turned into evidence. Main thread.
#include "evidence.h"

#include <math.h>

#include "base/clock.h"
#include "echoload/load/link.h"

#define RTO_MIN 0.2 // seconds, what a lost segment costs at most times (tcp(7))

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

// The thread of the generator that had the most to do.
static void gather_threads(struct evidence *evidence, const struct usage *usage, bool spin)
{
	double all = 0, kernel = 0;
	for (unsigned i = 0; i < usage->threads; i++) {
		const struct usage_thread *thread = &usage->thread[i];
		double ran = (double)(thread->user + thread->system);
		double whole = (double)thread->at;
		// The kernel's clocks and ours do not agree to the last digit.
		double busy = fmin(share(spin ? (double)thread->worked : ran, whole), 1);
		double waiting = fmin(share((double)thread->waited, whole), 1 - busy);
		if (busy + waiting > evidence->thread_busy + evidence->thread_waiting) {
			evidence->thread_busy = busy;
			evidence->thread_waiting = waiting;
		}
		all += ran;
		kernel += (double)thread->system;
	}
	evidence->kernel = share(kernel, all);
}

// ns, of all connections together: what they waited for in vain, and until they were tried again.
static double time_failed(const struct load_errors *errors, uint64_t timeout)
{
	double time = (double)load_errors_total(errors) * (double)LINK_RETRY;
	if (timeout != CLOCK_NEVER)
		time += (double)(errors->of[LOAD_TIMEOUT].count +
				 errors->of[LOAD_CONNECT_TIMEOUT].count) *
			(double)timeout;
	return time;
}

void evidence_gather(struct evidence *evidence, const struct load_config *config,
		     const struct facts *facts, const struct book *book, const struct usage *usage,
		     const struct far_end_view *server)
{
	double lasted = (double)facts->lasted;
	double sockets = (double)usage->tcp.sockets;
	double resent = fmax((double)usage->tcp.retransmits - (double)usage->tcp.needless, 0);
	*evidence = (struct evidence){
		.served = facts_rate_of(facts, facts->messages),
		.offered = config->rate > 0 ? facts_rate_of(facts, book->due) : 0,
		.stalled = share((double)usage->stalled, lasted),
		.throttled = share((double)usage->machine.throttled, lasted),
		.failing = fmin(share(time_failed(facts->errors, config->timeout),
				      lasted * config->connections),
				1),
		.lateness_p99 = (double)hdr_percentile(facts->lateness, 99),
		.window_limited = share((double)usage->tcp.limited_window, (double)usage->tcp.busy),
		.stolen = fmin(share((double)usage->machine.stolen, lasted),
			       share((double)usage->machine.stolen, (double)usage->machine.wanted)),
		.retransmitting = fmin(share(resent * RTO_MIN * 1e9, lasted * sockets), 1),
		.least_round_trip = (double)usage->tcp.least_round_trip * 1e3,
		.smooth_round_trip = share((double)usage->tcp.round_trips * 1e3, sockets),
		.unread = share((double)usage->tcp.unread, sockets),
		.server = *server,
	};
	gather_threads(evidence, usage, config->spin);
}
