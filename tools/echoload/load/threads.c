// The threads of the generator. Main thread.
#include "threads.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "base/thread.h"
#include "generator.h"

static unsigned power_of_two(unsigned at_least)
{
	unsigned power = 1;
	while (power < at_least)
		power *= 2;
	return power;
}

// Takes the memory. Each link has a ring of `ring` messages.
static int take_memory(struct threads *threads, unsigned ring, struct error *error)
{
	const struct load_config *config = threads->config;
	threads->links = config->connections + config->extra;
	size_t size = threads->links * sizeof(struct link);
	threads->link = aligned_alloc(_Alignof(struct link), size);
	threads->messages = calloc((size_t)threads->links * ring, sizeof(struct message));
	threads->loops = calloc(config->threads, sizeof(*threads->loops));
	if (!threads->link || !threads->messages || !threads->loops)
		return error_set(error, ERROR_SYSTEM, "no memory for %u connections in %u threads",
				 threads->links, config->threads);
	payload_init(&threads->payload, config->run);
	return 0;
}

// Deals the links out to the threads, so that each has an even share of each group.
static void deal_links(struct threads *threads, unsigned ring)
{
	const struct load_config *config = threads->config;
	size_t groups = config->by_target ? config->target_count : 1;
	for (uint32_t id = threads->links; id-- > 0;) {
		struct loop *loop = &threads->loops[id / groups % config->threads];
		threads->link[id] = (struct link){
			.timer = {.place = TIMER_UNSET},
			.next = loop->links,
			.id = id,
			.fd = -1,
			.random = {.state = config->run ^ ((uint64_t)id << 32)},
			.messages = threads->messages + (size_t)id * ring,
		};
		loop->links = &threads->link[id];
		loop->count++;
	}
}

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

static int init_loop(struct loop *loop, const struct payload *payload)
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
	return failed ? -1 : 0; // free_loop gives back what there is
}

static void free_loop(struct loop *loop)
{
	free(loop->in);
	free(loop->out);
	timers_free(&loop->timers);
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->nudge >= 0)
		close(loop->nudge);
}

static int prepare_loops(struct threads *threads, struct error *error)
{
	const struct load_config *config = threads->config;
	unsigned ring = power_of_two(config->pipeline);
	if (take_memory(threads, ring, error) != 0)
		return -1;
	for (unsigned i = 0; i < config->threads; i++) {
		struct loop *loop = &threads->loops[i];
		tally_init(&loop->tally);
		loop->config = config;
		loop->all = threads->link;
		loop->ring = ring;
		loop->schedule = &threads->schedule;
		loop->index = i;
		loop->epoll = loop->nudge = -1;
	}
	deal_links(threads, ring);
	for (unsigned i = 0; i < config->threads; i++) {
		if (init_loop(&threads->loops[i], &threads->payload) != 0)
			return error_set(error, ERROR_SYSTEM, "cannot make the thread %u: %s", i,
					 error_text(errno));
	}
	return 0;
}

static void nudge(const struct loop *loop)
{
	const uint64_t one = 1;
	(void)!write(loop->nudge, &one, sizeof(one)); // full: it is nudged already
}

void threads_nudge(const struct threads *threads)
{
	for (unsigned i = 0; i < threads->started; i++)
		nudge(&threads->loops[i]);
}

bool threads_rest(const struct threads *threads)
{
	for (unsigned i = 0; i < threads->started; i++) {
		if (!atomic_load(&threads->loops[i].resting))
			return false;
	}
	return true;
}

void threads_await(const struct threads *threads, uint64_t moment)
{
	struct pollfd ready[] = {{.fd = threads->schedule.rested, .events = POLLIN},
				 {.fd = signals_fd(), .events = POLLIN}};
	uint64_t now = clock_now();
	const struct timespec span = clock_timespec(moment > now ? moment - now : 0);
	uint64_t count;
	if (ppoll(ready, 2, &span, NULL) > 0 && (ready[0].revents & POLLIN))
		(void)!read(threads->schedule.rested, &count, sizeof(count));
}

// Decides which links are to be loaded in the next period.
static void choose_links(struct threads *threads, uint64_t groups)
{
	struct schedule *schedule = &threads->schedule;
	schedule->links = 0;
	for (uint32_t id = 0; id < threads->links; id++) {
		struct link *link = &threads->link[id];
		link->loaded = groups >> config_group(threads->config, id) & 1;
		link->rank = schedule->links;
		schedule->links += link->loaded;
	}
}

void threads_begin(struct threads *threads, uint64_t groups)
{
	choose_links(threads, groups);
	for (unsigned i = 0; i < threads->started; i++)
		atomic_store(&threads->loops[i].resting, false);
	atomic_fetch_add(&threads->schedule.period, 1);
	threads_nudge(threads);
}

static int start_threads(struct threads *threads, struct error *error)
{
	for (; threads->started < threads->config->threads; threads->started++) {
		struct loop *loop = &threads->loops[threads->started];
		char name[16];
		snprintf(name, sizeof(name), "echoload/%u", threads->started % 1000000);
		if (thread_start(&loop->thread, name, generator_run, loop, error) != 0)
			return -1;
	}
	while (!threads_rest(threads))
		threads_await(threads, clock_now() + NS_PER_MS);
	return 0;
}

void threads_collect(struct threads *threads, struct book *sum)
{
	for (unsigned i = 0; i < threads->started; i++) {
		tally_ask(&threads->loops[i].tally);
		nudge(&threads->loops[i]);
	}
	for (unsigned i = 0; i < threads->started; i++) {
		const struct book *book;
		while (!(book = tally_take(&threads->loops[i].tally))) {
			if (atomic_load(&threads->loops[i].resting))
				tally_turn(&threads->loops[i].tally); // on its behalf
			else
				threads_await(threads, clock_now() + NS_PER_MS);
		}
		book_add(sum, book);
	}
}

struct progress threads_progress(const struct threads *threads)
{
	struct progress progress = {0};
	for (unsigned i = 0; i < threads->started; i++) {
		const struct loop *loop = &threads->loops[i];
		const struct tally *tally = &loop->tally;
		progress.live += atomic_load(&loop->resting) ? loop->live_at_stop
							     : atomic_load(&tally->live);
		progress.connected += atomic_load(&tally->connected);
		progress.failed += atomic_load(&tally->failed);
	}
	return progress;
}

uint64_t threads_answered_at(const struct threads *threads)
{
	uint64_t last = 0;
	for (unsigned i = 0; i < threads->started; i++) {
		uint64_t at = threads->loops[i].answered_at;
		last = at > last ? at : last;
	}
	return last;
}

void threads_stop_at(struct threads *threads, uint64_t moment)
{
	struct schedule *schedule = &threads->schedule;
	if (moment < atomic_load(&schedule->stop))
		atomic_store(&schedule->stop, moment);
	if (moment < atomic_load(&schedule->end))
		atomic_store(&schedule->end, moment);
	threads_nudge(threads);
}

int threads_open(struct threads *threads, const struct load_config *config, struct error *error)
{
	*threads = (struct threads){.config = config};
	threads->schedule.rested = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return prepare_loops(threads, error) != 0 || start_threads(threads, error) != 0 ? -1 : 0;
}

void threads_close(struct threads *threads, struct book *book)
{
	threads->schedule.over = true;
	atomic_fetch_add(&threads->schedule.period, 1);
	threads_nudge(threads);
	for (unsigned i = 0; i < threads->started; i++)
		pthread_join(threads->loops[i].thread, NULL);
	if (book)
		threads_collect(threads, book);
	for (unsigned i = 0; threads->loops && i < threads->config->threads; i++) {
		if (threads->loops[i].config)
			free_loop(&threads->loops[i]);
	}
	if (threads->schedule.rested >= 0)
		close(threads->schedule.rested);
	free(threads->loops);
	free(threads->link);
	free(threads->messages);
}
