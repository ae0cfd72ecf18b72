// The generator's threads.
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define EVENTS 256
#define LAST (250 * NS_PER_MS) // for which connections are heard after the last period
#define SOCKETS_LOOKED_AT 1000 // of a thread, for the evidence

// Pins the thread, if that was asked for, and makes its timers exact.
static void settle_thread(const struct loop *loop)
{
	const struct load_config *config = loop->config;
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (config->cpu_count == 0)
		return;
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(config->cpus[loop->index % config->cpu_count], &cpus);
	int failed =
		sched_setaffinity(0, sizeof(cpus), &cpus); // options.c has asked whether it may
	ensure(!failed);
}

// Waits for events until the next timer. Returns how many.
static int wait_for_events(struct loop *loop, struct epoll_event *events)
{
	bool waits = !loop->config->spin && !(loop_prepares(loop) && loop->untried == 0);
	uint64_t next = waits ? timers_next(&loop->timers) : 0;
	if (loop->schedule->over)
		next = loop->last;
	struct timespec span = {0};
	if (next != 0 && next != CLOCK_NEVER) {
		uint64_t now = clock_now();
		span = clock_timespec(next > now ? next - now : 0);
	}
	const struct timespec *limit = next == CLOCK_NEVER ? NULL : &span;
	int count = -1;
	errno = ENOSYS;
#ifdef HAVE_EPOLL_PWAIT2 // not with musl, nor glibc before 2.35
	count = epoll_pwait2(loop->epoll, events, EVENTS, limit, NULL);
#endif
	// A kernel older than 5.11, or valgrind's: to the millisecond, not late.
	int ms = limit ? (int)(span.tv_sec * 1000 + span.tv_nsec / (long)NS_PER_MS) : -1;
	if (count < 0 && errno == ENOSYS)
		count = epoll_wait(loop->epoll, events, EVENTS, ms);
	ensure(count >= 0 || errno == EINTR);
	return count > 0 ? count : 0;
}

// No message may begin any more: --count has been reached.
static bool is_spent(const struct loop *loop)
{
	return loop->config->count > 0 &&
	       atomic_load_explicit(&loop->schedule->left, memory_order_relaxed) == 0;
}

// Whether messages that were due before the end may still begin.
static bool may_begin(const struct loop *loop)
{
	if (loop->config->rate == 0 || is_spent(loop))
		return false;
	for (const struct link *link = loop->links; link; link = link->next) {
		if (link->loaded && link->state == LINK_OPEN && messages_may_begin(loop, link))
			return true;
	}
	return false;
}

// Whether there is nothing more to do in this period. `events`: in the last round.
static bool is_over(const struct loop *loop, int events)
{
	uint64_t stop = loop_stop(loop);
	if (loop->schedule->over)
		return loop->now >= loop->last ||
		       atomic_load_explicit(&loop->tally.live, memory_order_relaxed) == 0;
	if (loop->now >= stop)
		return loop->now - stop >= loop->schedule->grace ||
		       (loop->owed == 0 && !may_begin(loop));
	if (loop_prepares(loop))
		return loop->untried == 0 && events == 0;
	return is_spent(loop) && loop->owed == 0;
}

// Looks at what the kernel has counted of the first sockets, `before` recording or after it.
static void look_at_sockets(struct loop *loop, bool before)
{
	unsigned looked = 0;
	for (struct link *link = loop->links; link && looked < SOCKETS_LOOKED_AT; looked++) {
		struct usage_tcp usage = {0};
		if (link->state == LINK_OPEN)
			usage = usage_of_socket(link->fd);
		if (before)
			link->before = usage;
		else if (link->state == LINK_OPEN)
			usage_add_sockets(&loop->sockets, &usage, &link->before);
		link = link->next;
	}
}

// Takes note of what has been used, when recording begins and when it ends.
static void take_stock(struct loop *loop, uint64_t stop)
{
	if (!loop->schedule->measured)
		return;
	if (!loop->recording && loop->now >= loop->schedule->record && loop->now < stop) {
		look_at_sockets(loop, true);
		loop->recording = true;
		loop->used = usage_of_thread(loop->worked_for, &(struct usage_thread){0});
	}
	if (loop->stopped || loop->now < stop)
		return;
	loop->stopped = true;
	loop->live_at_stop = atomic_load_explicit(&loop->tally.live, memory_order_relaxed);
	if (!loop->recording)
		return;
	loop->used = usage_of_thread(loop->worked_for, &loop->used);
	look_at_sockets(loop, false);
}

static void deal_with(struct loop *loop, const struct epoll_event *event)
{
	if (event->data.ptr) {
		link_events(loop, event->data.ptr, event->events, loop->now);
	} else {
		waker_clear(&loop->nudge);
		loop->nudged = true;
	}
}

static void run_rounds(struct loop *loop)
{
	struct epoll_event events[EVENTS];
	for (int count = 1; !is_over(loop, count);) {
		tally_turn(&loop->tally);
		count = wait_for_events(loop, events);
		uint64_t before = loop->now;
		loop->now = clock_now();
		if (loop->worked)
			loop->worked_for += loop->now - before;
		loop->worked = count > 0 || timers_next(&loop->timers) <= loop->now;
		for (int i = 0; i < count; i++)
			deal_with(loop, &events[i]);
		struct timer *timer;
		while ((timer = timers_take(&loop->timers, loop->now)))
			link_wake(loop, (struct link *)timer, clock_now()); // its first member
		if (!loop->nudged)
			continue;
		loop->nudged = false;
		for (struct link *link = loop->links; link; link = link->next)
			link_check_time(loop, link, loop->now);
		take_stock(loop, loop_stop(loop));
	}
}

// Rests until the next period. Returns false when there is none.
static bool await_period(struct loop *loop)
{
	struct pollfd nudge = {.fd = loop->nudge.fd, .events = POLLIN};
	atomic_store(&loop->resting, true);
	waker_wake(&loop->schedule->rested);
	while (atomic_load(&loop->schedule->period) == loop->period) {
		poll(&nudge, 1, -1);
		waker_clear(&loop->nudge);
	}
	loop->period++;
	return !loop->schedule->over;
}

static void begin_period(struct loop *loop)
{
	const struct schedule *schedule = loop->schedule;
	loop->now = clock_now();
	loop->untried = 0;
	loop->nudged = false;
	loop->queue = NULL;
	loop->recording = loop->stopped = false;
	loop->sockets = (struct usage_tcp){0};
	loop->used = (struct usage_thread){0};
	loop->gap = loop->config->rate > 0 ? 1e9 * schedule->links / loop->config->rate : 0;
	for (struct link *link = loop->links; link; link = link->next)
		link_plan(loop, link);
}

// There is no more period. Connections at rest are ended as a client ends them, with FIN, and heard
// until the peer's FIN, for 250 ms at most: bytes that come after the last echo are found if they
// come within that time and before the peer's FIN. (With `resets` a visit ends at once, and nothing
// that would come after it is seen.)
static void end_all(struct loop *loop)
{
	loop->now = clock_now();
	loop->last = loop->now + LAST;
	for (struct link *link = loop->links; link; link = link->next)
		link_end(loop, link);
	run_rounds(loop);
	for (struct link *link = loop->links; link; link = link->next)
		link_give_up(loop, link);
}

void *generator_run(void *argument)
{
	struct loop *loop = argument;
	settle_thread(loop);
	while (await_period(loop)) {
		begin_period(loop);
		run_rounds(loop);
		take_stock(loop, 0);
		loop->queue = NULL;
		loop->now = clock_now();
		for (struct link *link = loop->links; link; link = link->next)
			link_rest(loop, link);
	}
	end_all(loop);
	return NULL;
}
