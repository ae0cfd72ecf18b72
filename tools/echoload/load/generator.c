#include "generator.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "base/assert.h"
#include "base/clock.h"

#define EVENTS_AT_ONCE 256
#define SOCKETS_MEASURED 1000 // of a thread, for the evidence

// Whether, before a slice, each connection is open or could not be connected.
static bool is_connected(const struct thread *thread)
{
	return thread->connecting == 0 && thread->timers.count == 0;
}

// Waits for events until the next timer. Returns how many.
static int wait_for_events(struct thread *thread, struct epoll_event *events)
{
	bool polls = thread->config->spin ||
		     (thread->period->kind == PERIOD_CONNECT && is_connected(thread));
	uint64_t next = polls ? 0 : timers_next(&thread->timers);
	struct timespec span = {0};
	if (next != 0 && next != CLOCK_NEVER) {
		uint64_t now = clock_now();
		span = clock_timespec(next > now ? next - now : 0);
	}
	const struct timespec *limit = next == CLOCK_NEVER ? NULL : &span;
	int count = -1;
	errno = ENOSYS;
#ifdef HAVE_EPOLL_PWAIT2 // not with musl, nor glibc before 2.35
	count = epoll_pwait2(thread->epoll, events, EVENTS_AT_ONCE, limit, NULL);
#endif
	if (count < 0 && errno == ENOSYS) { // before 5.11, valgrind: to the millisecond, not late
		int ms = (int)(span.tv_sec * 1000 + span.tv_nsec / (long)NS_PER_MS);
		count = epoll_wait(thread->epoll, events, EVENTS_AT_ONCE, limit ? ms : -1);
	}
	ensure(count >= 0 || errno == EINTR);
	return count > 0 ? count : 0;
}

// No message may begin any more: --count has been reached, or the period has no messages.
static bool is_spent(const struct thread *thread)
{
	return atomic_load_explicit(&thread->period->left, memory_order_relaxed) == 0;
}

// Whether messages that were due before the end may still begin.
static bool may_begin(const struct thread *thread)
{
	if (thread->config->rate == 0 || is_spent(thread))
		return false;
	for (const struct connection *conn = thread->connections; conn; conn = conn->next) {
		if (conn->loaded && conn->state == CONNECTION_OPEN &&
		    messages_may_begin(thread, conn))
			return true;
	}
	return false;
}

// Whether there is nothing more to do in this period. `events`: in the last round.
static bool is_over(const struct thread *thread, int events)
{
	uint64_t stop = thread_stop(thread);
	if (thread->now >= stop)
		return thread->now - stop >= thread->period->grace ||
		       (thread->owed == 0 && !may_begin(thread));
	if (thread->period->kind == PERIOD_CONNECT)
		return is_connected(thread) && events == 0;
	return is_spent(thread) && thread->owed == 0;
}

// Reads the kernel's counters of the first sockets, `before` recording or after it.
static void measure_sockets(struct thread *thread, bool before)
{
	unsigned measured = 0;
	for (struct connection *conn = thread->connections; conn && measured < SOCKETS_MEASURED;
	     measured++) {
		struct usage_tcp usage = {0};
		if (conn->state == CONNECTION_OPEN)
			usage = usage_of_socket(conn->fd);
		if (before)
			conn->before = usage;
		else if (conn->state == CONNECTION_OPEN)
			usage_add_sockets(&thread->sockets, &usage, &conn->before);
		conn = conn->next;
	}
}

// Notes the usage when recording begins and when it ends.
static void take_stock(struct thread *thread, uint64_t stop)
{
	bool ended = thread->now >= stop, begun = thread->now >= thread->period->record;
	if (thread->period->kind != PERIOD_RUN || thread->stopped ||
	    (!ended && (thread->recording || !begun)))
		return;
	thread->stopped = ended;
	if (ended)
		thread->live_at_stop =
			atomic_load_explicit(&thread->buffers.live, memory_order_relaxed);
	if (ended && !thread->recording)
		return;
	thread->used = usage_of_thread(thread->worked_for, &thread->used);
	measure_sockets(thread, !ended);
	thread->recording = true;
}

static void run_rounds(struct thread *thread)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	for (int count = 1; !is_over(thread, count);) {
		counter_buffers_swap(&thread->buffers);
		count = wait_for_events(thread, events);
		uint64_t before = thread->now;
		thread->now = clock_now();
		if (thread->worked)
			thread->worked_for += thread->now - before;
		thread->worked = count > 0 || timers_next(&thread->timers) <= thread->now;
		bool woken = false;
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				connection_events(thread, events[i].data.ptr, events[i].events,
						  thread->now);
			else
				woken = true;
		}
		struct timer *timer;
		while ((timer = timers_take(&thread->timers, thread->now)))
			connection_wake(thread, (struct connection *)timer,
					clock_now()); // its first member
		if (!woken)
			continue;
		waker_clear(&thread->waker);
		for (struct connection *conn = thread->connections; conn; conn = conn->next)
			connection_check_time(thread, conn, thread->now);
		take_stock(thread, thread_stop(thread));
	}
}

static void await_period(struct thread *thread)
{
	struct pollfd woken = {.fd = thread->waker.fd, .events = POLLIN};
	while (atomic_load(&thread->resting)) {
		poll(&woken, 1, -1);
		waker_clear(&thread->waker);
	}
}

static void pass_period(struct thread *thread)
{
	double rate = thread->config->rate;
	thread->now = clock_now();
	thread->recording = thread->stopped = false;
	thread->sockets = (struct usage_tcp){0};
	thread->used = (struct usage_thread){0};
	thread->gap = rate > 0 ? 1e9 * thread->period->connections / rate : 0;
	for (struct connection *conn = thread->connections; conn; conn = conn->next)
		connection_plan(thread, conn);
	run_rounds(thread);
	take_stock(thread, 0);
	thread->queue = NULL;
	thread->now = clock_now();
	for (struct connection *conn = thread->connections; conn; conn = conn->next)
		connection_rest(thread, conn);
}

void *generator_run(void *argument)
{
	struct thread *thread = argument;
	enum period_kind kind;
	prctl(PR_SET_TIMERSLACK, 1UL); // makes its timers exact
	do {
		await_period(thread);
		kind = thread->period->kind;
		pass_period(thread);
		atomic_store(&thread->resting, true);
		waker_wake(thread->rested);
	} while (kind != PERIOD_END);
	return NULL;
}
