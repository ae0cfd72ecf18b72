// The generator's threads.
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define EVENTS 256
#define SOCKETS_LOOKED_AT 1000 // of a thread, for the evidence

// Whether, before a slice, each link is open or could not be connected.
static bool is_connected(const struct loop *loop)
{
	return loop->connecting == 0 && loop->timers.count == 0;
}

// Waits for events until the next timer. Returns how many.
static int wait_for_events(struct loop *loop, struct epoll_event *events)
{
	bool polls =
		loop->config->spin || (loop->period->kind == PERIOD_CONNECT && is_connected(loop));
	uint64_t next = polls ? 0 : timers_next(&loop->timers);
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
	if (count < 0 && errno == ENOSYS) { // before 5.11, valgrind: to the millisecond, not late
		int ms = (int)(span.tv_sec * 1000 + span.tv_nsec / (long)NS_PER_MS);
		count = epoll_wait(loop->epoll, events, EVENTS, limit ? ms : -1);
	}
	ensure(count >= 0 || errno == EINTR);
	return count > 0 ? count : 0;
}

// No message may begin any more: --count has been reached, or it is not a time for messages.
static bool is_spent(const struct loop *loop)
{
	return atomic_load_explicit(&loop->period->left, memory_order_relaxed) == 0;
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
	if (loop->now >= stop)
		return loop->now - stop >= loop->period->grace ||
		       (loop->owed == 0 && !may_begin(loop));
	if (loop->period->kind == PERIOD_CONNECT)
		return is_connected(loop) && events == 0;
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
	bool ended = loop->now >= stop, begun = loop->now >= loop->period->record;
	if (loop->period->kind != PERIOD_RUN || loop->stopped ||
	    (!ended && (loop->recording || !begun)))
		return;
	loop->stopped = ended;
	if (ended)
		loop->live_at_stop = atomic_load_explicit(&loop->tally.live, memory_order_relaxed);
	if (ended && !loop->recording)
		return;
	loop->used = usage_of_thread(loop->worked_for, &loop->used);
	look_at_sockets(loop, !ended);
	loop->recording = true;
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
		bool nudged = false;
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				link_events(loop, events[i].data.ptr, events[i].events, loop->now);
			else
				nudged = true;
		}
		struct timer *timer;
		while ((timer = timers_take(&loop->timers, loop->now)))
			link_wake(loop, (struct link *)timer, clock_now()); // its first member
		if (!nudged)
			continue;
		waker_clear(&loop->nudge);
		for (struct link *link = loop->links; link; link = link->next)
			link_check_time(loop, link, loop->now);
		take_stock(loop, loop_stop(loop));
	}
}

static void await_period(struct loop *loop)
{
	struct pollfd nudge = {.fd = loop->nudge.fd, .events = POLLIN};
	while (atomic_load(&loop->resting)) {
		poll(&nudge, 1, -1);
		waker_clear(&loop->nudge);
	}
}

static void pass_period(struct loop *loop)
{
	double rate = loop->config->rate;
	loop->now = clock_now();
	loop->recording = loop->stopped = false;
	loop->sockets = (struct usage_tcp){0};
	loop->used = (struct usage_thread){0};
	loop->gap = rate > 0 ? 1e9 * loop->period->links / rate : 0;
	for (struct link *link = loop->links; link; link = link->next)
		link_plan(loop, link);
	run_rounds(loop);
	take_stock(loop, 0);
	loop->queue = NULL;
	loop->now = clock_now();
	for (struct link *link = loop->links; link; link = link->next)
		link_rest(loop, link);
}

void *generator_run(void *argument)
{
	struct loop *loop = argument;
	enum period_kind kind;
	prctl(PR_SET_TIMERSLACK, 1UL); // makes its timers exact
	do {
		await_period(loop);
		kind = loop->period->kind;
		pass_period(loop);
		atomic_store(&loop->resting, true);
		waker_wake(loop->rested);
	} while (kind != PERIOD_END);
	return NULL;
}
