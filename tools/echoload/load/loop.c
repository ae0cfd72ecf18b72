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

#define EVENTS 256
#define GRACE (2 * NS_PER_S)   // what is on its way when the run ends may still come
#define TAIL NS_PER_MS	       // between two looks at whether the last messages have come
#define SOCKETS_LOOKED_AT 1000 // of a thread, for the evidence

static unsigned power_of_two(unsigned at_least)
{
	unsigned power = 1;
	while (power < at_least)
		power *= 2;
	return power;
}

static void init_link(const struct loop *loop, struct link *link, uint32_t id)
{
	*link = (struct link){
		.timer = {.place = TIMER_UNSET},
		.id = id,
		.fd = -1,
		.random = {.state = loop->config->run ^ ((uint64_t)id << 32)},
	};
}

static void plan_link(struct loop *loop, struct link *link)
{
	const struct load_config *config = loop->config;
	double share = (double)link->id / (double)config->connections;
	// Its first message is due whether it is connected by then or not. All are spread evenly.
	if (config->rate > 0)
		link->due = (double)loop->schedule->begin + share * (double)config->ramp +
			    random_share(&link->random) * loop->gap;
	timers_set(&loop->timers, &link->timer,
		   loop->schedule->begin + (uint64_t)(share * (double)config->ramp));
}

static int take_memory(struct loop *loop, unsigned count)
{
	loop->ring = power_of_two(loop->config->pipeline);
	loop->links = calloc(count, sizeof(*loop->links));
	loop->in = malloc(LOOP_BUFFER);
	loop->out = calloc(1, LOOP_BUFFER);
	struct message *messages = calloc((size_t)count * loop->ring, sizeof(*messages));
	if (!loop->links || !loop->in || !loop->out || !messages ||
	    timers_init(&loop->timers, count) != 0) {
		free(messages);
		return -1;
	}
	for (unsigned i = 0; i < count; i++)
		loop->links[i].messages = messages + (size_t)i * loop->ring;
	loop->count = count;
	return 0;
}

unsigned loop_first(const struct load_config *config, unsigned thread)
{
	unsigned share = config->connections / config->threads;
	unsigned more = config->connections % config->threads;
	return thread * share + (thread < more ? thread : more);
}

static uint64_t sent_on(void *context, uint32_t connection)
{
	const struct loop *own = context;
	const struct load_config *config = own->config;
	unsigned low = 0, high = config->threads - 1;
	while (low < high) {
		unsigned middle = (low + high + 1) / 2;
		if (loop_first(config, middle) <= connection)
			low = middle;
		else
			high = middle - 1;
	}
	const struct link *link = &own->loops[low].links[connection - loop_first(config, low)];
	return atomic_load_explicit(&link->sent, memory_order_relaxed);
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
	unsigned first = loop_first(loop->config, loop->index);
	unsigned count = loop_first(loop->config, loop->index + 1) - first;
	loop->scope = (struct verify_scope){
		.payload = payload,
		.connections = loop->config->connections,
		.sent = sent_on,
		.report = note_fault,
		.context = loop,
	};
	struct epoll_event nudged = {.events = EPOLLIN};
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll < 0 || loop->nudge < 0 ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->nudge, &nudged) != 0 ||
	    take_memory(loop, count) != 0)
		return -1; // loop_free gives back what there is
	if (loop->config->rate > 0)
		loop->gap = 1e9 * (double)loop->config->connections / loop->config->rate;
	for (unsigned i = 0; i < count; i++) {
		struct message *messages = loop->links[i].messages;
		init_link(loop, &loop->links[i], first + i);
		loop->links[i].messages = messages;
	}
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop->count > 0)
		free(loop->links[0].messages);
	free(loop->links);
	free(loop->in);
	free(loop->out);
	timers_free(&loop->timers);
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->nudge >= 0)
		close(loop->nudge);
	loop->epoll = loop->nudge = -1;
	loop->links = NULL;
	loop->in = loop->out = NULL;
	loop->count = 0;
}

bool loop_is_over(const struct loop *loop)
{
	return loop->now >= atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
}

bool loop_takes_one(struct loop *loop)
{
	if (loop->config->count == 0 || loop->now < loop->schedule->record)
		return true;
	struct schedule *schedule = loop->schedule;
	uint64_t left = atomic_load_explicit(&schedule->left, memory_order_relaxed);
	while (left > 0) {
		if (atomic_compare_exchange_weak_explicit(&schedule->left, &left, left - 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
	return false;
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
	uint64_t next = loop->config->spin ? 0 : timers_next(&loop->timers);
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

// Whether nothing is on its way any more.
static bool is_at_rest(const struct loop *loop)
{
	uint64_t stop = atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
	for (unsigned i = 0; i < loop->count; i++) {
		const struct link *link = &loop->links[i];
		if (loop->config->rate > 0 && link->state == LINK_OPEN && !is_spent(loop) &&
		    (uint64_t)link->due < stop)
			return false;
		if (link->state == LINK_ENDING || (link->state == LINK_OPEN && link->waiting > 0))
			return false;
	}
	return true;
}

static void look_at_sockets(struct loop *loop, struct usage_tcp *usage)
{
	for (unsigned i = 0; i < loop->count && usage->sockets < SOCKETS_LOOKED_AT; i++) {
		if (loop->links[i].state == LINK_OPEN)
			usage_add_socket(usage, loop->links[i].fd);
	}
}

// Takes note of what has been used, when recording begins and when it ends.
static void take_stock(struct loop *loop, uint64_t stop)
{
	if (!loop->recording && loop->now >= loop->schedule->record) {
		look_at_sockets(loop, &loop->before);
		loop->recording = true;
		loop->at_record = usage_of_thread(loop->worked_for);
	}
	if (!loop->stopped && loop->now >= stop) {
		loop->stopped = true;
		loop->at_stop = usage_of_thread(loop->worked_for);
		loop->live_at_stop = atomic_load_explicit(&loop->tally->live, memory_order_relaxed);
		look_at_sockets(loop, &loop->sockets);
	}
}

// Looks at what needs no haste. Returns whether the run is over for this thread.
static bool look_around(struct loop *loop)
{
	for (unsigned i = 0; i < loop->count; i++)
		link_check_time(loop, &loop->links[i], loop->now);
	uint64_t stop = atomic_load_explicit(&loop->schedule->stop, memory_order_relaxed);
	take_stock(loop, stop);
	if (loop->now < stop && !is_spent(loop))
		return false;
	return is_at_rest(loop) || (loop->now >= stop && loop->now - stop >= GRACE);
}

static void deal_with(struct loop *loop, const struct epoll_event *event)
{
	uint64_t count;
	if (event->data.ptr)
		link_events(loop, event->data.ptr, event->events, loop->now);
	else
		loop->nudged = read(loop->nudge, &count, sizeof(count)) > 0;
}

static void run_rounds(struct loop *loop)
{
	struct epoll_event events[EVENTS];
	loop->now = clock_now();
	for (;;) {
		bool late = is_spent(loop) && loop->now >= loop->look_again;
		if (late)
			loop->look_again = loop->now + TAIL;
		if ((loop->nudged || late) && look_around(loop))
			return;
		loop->nudged = false;
		tally_turn(loop->tally);
		int count = wait_for_events(loop, events);
		uint64_t before = loop->now;
		loop->now = clock_now();
		if (loop->worked)
			loop->worked_for += loop->now - before;
		loop->worked = count > 0 || timers_next(&loop->timers) <= loop->now;
		for (int i = 0; i < count; i++)
			deal_with(loop, &events[i]);
		wake_links(loop);
	}
}

void loop_nudge(const struct loop *loop)
{
	const uint64_t one = 1;
	ssize_t written = write(loop->nudge, &one, sizeof(one)); // full: it is nudged already
	(void)written;
}

// A thread may take its time to begin: the schedule is made when all of them are here.
static void await_start(struct loop *loop)
{
	struct pollfd nudge = {.fd = loop->nudge, .events = POLLIN};
	uint64_t count;
	atomic_store(&loop->ready, true);
	while (poll(&nudge, 1, -1) <= 0)
		;
	loop->nudged = read(loop->nudge, &count, sizeof(count)) > 0;
	for (unsigned i = 0; i < loop->count; i++)
		plan_link(loop, &loop->links[i]);
}

void *loop_run(void *argument)
{
	struct loop *loop = argument;
	settle_thread(loop);
	await_start(loop);
	run_rounds(loop);
	take_stock(loop, 0);
	for (unsigned i = 0; i < loop->count; i++)
		link_give_up(loop, &loop->links[i]);
	atomic_store(&loop->finished, true);
	return NULL;
}
