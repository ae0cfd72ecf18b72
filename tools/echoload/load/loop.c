// The generator's threads.
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "messages.h"

#define EVENTS 256
#define SOCKETS_LOOKED_AT 1000 // of a thread, for the evidence

static uint64_t sent_on(void *context, uint32_t connection)
{
	const struct loop *loop = context;
	return atomic_load_explicit(&loop->all[connection].sent, memory_order_relaxed);
}

static void note_fault(void *context, const struct fault *fault)
{
	struct book *book = loop_book(context);
	if (book->fault_count < BOOK_FAULTS)
		book->faults[book->fault_count] = *fault;
	book->fault_count++;
}

int loop_init(struct loop *loop, const struct payload *payload)
{
	loop->scope = (struct verify_scope){
		.payload = payload,
		.connections = loop->config->connections + loop->config->extra,
		.sent = sent_on,
		.report = note_fault,
		.context = loop,
	};
	struct epoll_event nudged = {.events = EPOLLIN};
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->in = malloc(LOOP_BUFFER);
	loop->out = calloc(1, LOOP_BUFFER);
	bool failed = loop->epoll < 0 || loop->nudge < 0 || !loop->in || !loop->out ||
		      epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->nudge, &nudged) != 0 ||
		      timers_init(&loop->timers, loop->count) != 0;
	return failed ? -1 : 0; // loop_free gives back what there is
}

void loop_free(struct loop *loop)
{
	free(loop->in);
	free(loop->out);
	timers_free(&loop->timers);
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->nudge >= 0)
		close(loop->nudge);
}

bool loop_is_over(const struct loop *loop)
{
	return loop->now >= atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
}

uint64_t loop_take(struct loop *loop, uint64_t count)
{
	if (loop->config->count == 0 || loop->now < loop->schedule->record)
		return count;
	struct schedule *schedule = loop->schedule;
	uint64_t left = atomic_load_explicit(&schedule->left, memory_order_relaxed);
	while (left > 0) {
		uint64_t taken = count < left ? count : left;
		if (atomic_compare_exchange_weak_explicit(&schedule->left, &left, left - taken,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return taken;
	}
	return 0;
}

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

static struct timespec timespan(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S)};
}

// The same where the kernel is older than 5.11 (or is valgrind's): to the millisecond, not late.
static int wait_coarsely(struct loop *loop, struct epoll_event *events, const struct timespec *span)
{
	int ms = span ? (int)(span->tv_sec * 1000 + span->tv_nsec / (long)NS_PER_MS) : -1;
	return epoll_wait(loop->epoll, events, EVENTS, ms);
}

#ifndef HAVE_EPOLL_PWAIT2 // musl, glibc before 2.35
static int epoll_pwait2(int epoll, struct epoll_event *events, int count,
			const struct timespec *span, const sigset_t *mask)
{
	(void)epoll, (void)events, (void)count, (void)span, (void)mask;
	errno = ENOSYS;
	return -1;
}
#endif

// Waits for events until the next timer. Returns how many.
static int wait_for_events(struct loop *loop, struct epoll_event *events)
{
	bool waits = !loop->config->spin && !(loop_prepares(loop) && loop->untried == 0);
	uint64_t next = waits ? timers_next(&loop->timers) : 0;
	struct timespec span = {0};
	if (next != 0 && next != CLOCK_NEVER) {
		uint64_t now = clock_now();
		span = timespan(next > now ? next - now : 0);
	}
	const struct timespec *limit = next == CLOCK_NEVER ? NULL : &span;
	int count = epoll_pwait2(loop->epoll, events, EVENTS, limit, NULL);
	if (count < 0 && errno == ENOSYS)
		count = wait_coarsely(loop, events, limit);
	ensure(count >= 0 || errno == EINTR);
	return count > 0 ? count : 0;
}

static void wake_links(struct loop *loop)
{
	struct timer *timer;
	while ((timer = timers_take(&loop->timers, loop->now)))
		link_wake(loop, (struct link *)timer, clock_now()); // its first member
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
	uint64_t stop = atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
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
		if (link->state == LINK_OPEN && before)
			link->before = usage_of_socket(link->fd, NULL);
		else if (link->state == LINK_OPEN)
			usage_add_socket(&loop->sockets, link->fd, &link->before);
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
		loop->at_record = usage_of_thread(loop->worked_for);
	}
	if (loop->stopped || loop->now < stop)
		return;
	loop->stopped = true;
	loop->live_at_stop = atomic_load_explicit(&loop->tally->live, memory_order_relaxed);
	if (!loop->recording)
		return;
	loop->at_stop = usage_of_thread(loop->worked_for);
	look_at_sockets(loop, false);
}

// Looks at what needs no haste.
static void look_around(struct loop *loop)
{
	for (struct link *link = loop->links; link; link = link->next)
		link_check_time(loop, link, loop->now);
	take_stock(loop, atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed));
}

void loop_hear_nudge(struct loop *loop)
{
	uint64_t count;
	loop->nudged = read(loop->nudge, &count, sizeof(count)) > 0;
}

static void deal_with(struct loop *loop, const struct epoll_event *event)
{
	if (event->data.ptr)
		link_events(loop, event->data.ptr, event->events, loop->now);
	else
		loop_hear_nudge(loop);
}

static void run_rounds(struct loop *loop)
{
	struct epoll_event events[EVENTS];
	for (int count = 1; !is_over(loop, count);) {
		tally_turn(loop->tally);
		count = wait_for_events(loop, events);
		uint64_t before = loop->now;
		loop->now = clock_now();
		if (loop->worked)
			loop->worked_for += loop->now - before;
		loop->worked = count > 0 || timers_next(&loop->timers) <= loop->now;
		for (int i = 0; i < count; i++)
			deal_with(loop, &events[i]);
		wake_links(loop);
		if (loop->nudged)
			look_around(loop);
		loop->nudged = false;
	}
}

void loop_nudge(const struct loop *loop)
{
	const uint64_t one = 1;
	ssize_t written = write(loop->nudge, &one, sizeof(one)); // full: it is nudged already
	(void)written;
}

// Rests until the next period. Returns false when there is none.
static bool await_period(struct loop *loop)
{
	struct pollfd nudge = {.fd = loop->nudge, .events = POLLIN};
	const uint64_t one = 1;
	uint64_t count;
	atomic_store(&loop->resting, true);
	ssize_t done = write(loop->schedule->rested, &one, sizeof(one));
	while (atomic_load(&loop->schedule->period) == loop->period) {
		poll(&nudge, 1, -1);
		done = read(loop->nudge, &count, sizeof(count));
	}
	(void)done;
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
	loop->at_record = loop->at_stop = (struct usage_thread){0};
	loop->gap = loop->config->rate > 0 ? 1e9 * schedule->links / loop->config->rate : 0;
	for (struct link *link = loop->links; link; link = link->next)
		link_plan(loop, link);
}

void *loop_run(void *argument)
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
	link_end_all(loop);
	return NULL;
}
