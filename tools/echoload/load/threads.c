// The threads of the generator, and what they need of the system. Main thread.
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "base/thread.h"
#include "loop.h"

#define SPARE_DESCRIPTORS 64 // for all but connections and threads

// Asks for as many descriptors as the connections need; those that are refused are errors of the
// run.
static void raise_limit(const struct load_config *config)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)config->connections + config->extra + 2 * (rlim_t)config->threads +
			SPARE_DESCRIPTORS;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Whether we may run on each of the CPUs: only trying tells.
static int check_cpus(const struct load_config *config, struct error *error)
{
	cpu_set_t before, one;
	int failed = sched_getaffinity(0, sizeof(before), &before);
	for (size_t i = 0; i < config->cpu_count && !failed; i++) {
		CPU_ZERO(&one);
		CPU_SET(config->cpus[i], &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			return error_set(error, ERROR_USAGE, "--cpu: CPU %u cannot be used: %s",
					 config->cpus[i], error_text(errno));
	}
	if (!failed)
		(void)sched_setaffinity(0, sizeof(before), &before);
	return 0;
}

// Whether each source is an address of ours.
static int check_sources(const struct load_config *config, struct error *error)
{
	for (size_t i = 0; i < config->source_count; i++) {
		const struct endpoint *source = &config->sources[i];
		int fd = socket(source->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int failed = fd < 0 || bind(fd, &source->as.any, source->length) != 0;
		int number = errno;
		char text[ADDRESS_TEXT_SIZE];
		if (fd >= 0)
			close(fd);
		endpoint_format(source, text);
		if (failed)
			return error_set(error, ERROR_USAGE, "--source: '%.*s' cannot be used: %s",
					 (int)(strlen(text) - strlen(":0")), text,
					 error_text(number));
	}
	return 0;
}

// Takes the memory. Each link has a ring of `ring` messages.
static int take_memory(struct engine *engine, unsigned ring, struct error *error)
{
	const struct load_config *config = engine->config;
	size_t size = engine->links * sizeof(struct link);
	engine->link = aligned_alloc(_Alignof(struct link), size);
	engine->messages = calloc((size_t)engine->links * ring, sizeof(struct message));
	engine->loops = calloc(config->threads, sizeof(*engine->loops));
	for (unsigned i = 0; engine->loops && i < config->threads; i++) {
		struct loop *loop = &engine->loops[i];
		tally_init(&loop->tally);
		loop->config = config;
		loop->all = engine->link;
		loop->ring = ring;
		loop->schedule = &engine->schedule;
		loop->index = i;
		loop->nudge = WAKER_NONE;
		loop->epoll = -1;
	}
	if (!engine->link || !engine->messages || !engine->loops)
		return error_set(error, ERROR_SYSTEM, "no memory for %u connections in %u threads",
				 engine->links, config->threads);
	return 0;
}

// Deals the links out to the threads, so that each has an even share of each group.
static void deal_links(struct engine *engine, unsigned ring)
{
	const struct load_config *config = engine->config;
	size_t groups = config->by_target ? config->target_count : 1;
	for (uint32_t id = engine->links; id-- > 0;) {
		struct loop *loop = &engine->loops[id / groups % config->threads];
		engine->link[id] = (struct link){
			.timer = {.place = TIMER_UNSET},
			.next = loop->links,
			.id = id,
			.fd = -1,
			.random = {.state = config->run ^ ((uint64_t)id << 32)},
			.messages = engine->messages + (size_t)id * ring,
		};
		loop->links = &engine->link[id];
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
	const struct loop *loop = context;
	struct book *book = loop->tally.open;
	if (book->fault_count < BOOK_FAULTS)
		book->faults[book->fault_count] = *fault;
	book->fault_count++;
}

static int start_thread(struct engine *engine, struct loop *loop, struct error *error)
{
	loop->scope = (struct verify_scope){
		.payload = &engine->payload,
		.connections = engine->links,
		.sent = sent_on,
		.report = note_fault,
		.context = loop,
	};
	struct epoll_event nudged = {.events = EPOLLIN};
	char name[16];
	snprintf(name, sizeof(name), "echoload/%u", loop->index % 1000000);
	if (waker_open(&loop->nudge, error) != 0)
		return -1;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->in = malloc(LOOP_BUFFER);
	loop->out = calloc(1, LOOP_BUFFER);
	if (loop->epoll < 0 || !loop->in || !loop->out ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->nudge.fd, &nudged) != 0 ||
	    timers_init(&loop->timers, loop->count) != 0)
		return error_set(error, ERROR_SYSTEM, "cannot make the thread %u: %s", loop->index,
				 error_text(errno));
	return thread_start(&loop->thread, name, generator_run, loop, error);
}

static int start_threads(struct engine *engine, struct error *error)
{
	unsigned ring = 1;
	while (ring < engine->config->pipeline)
		ring *= 2;
	if (waker_open(&engine->schedule.rested, error) != 0 ||
	    take_memory(engine, ring, error) != 0)
		return -1;
	payload_init(&engine->payload, engine->config->run);
	deal_links(engine, ring);
	for (; engine->started < engine->config->threads; engine->started++) {
		if (start_thread(engine, &engine->loops[engine->started], error) != 0)
			return -1;
	}
	while (!threads_rest(engine))
		threads_await(engine, clock_now() + NS_PER_MS);
	return 0;
}

struct engine *engine_open(const struct load_config *config, struct error *error)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine) {
		error_set(error, ERROR_SYSTEM, "no memory for the load");
		return NULL;
	}
	engine->config = config;
	engine->links = config->connections + config->extra;
	engine->schedule.rested = WAKER_NONE;
	raise_limit(config);
	if (check_cpus(config, error) == 0 && check_sources(config, error) == 0 &&
	    start_threads(engine, error) == 0)
		return engine;
	engine_close(engine, NULL);
	return NULL;
}

static void free_loop(struct loop *loop)
{
	free(loop->in);
	free(loop->out);
	timers_free(&loop->timers);
	waker_close(&loop->nudge);
	if (loop->epoll >= 0)
		close(loop->epoll);
}

void engine_close(struct engine *engine, struct book *book)
{
	engine->schedule.over = true;
	atomic_fetch_add(&engine->schedule.period, 1);
	threads_nudge(engine);
	for (unsigned i = 0; i < engine->started; i++)
		pthread_join(engine->loops[i].thread, NULL);
	if (book)
		threads_collect(engine, book);
	for (unsigned i = 0; engine->loops && i < engine->config->threads; i++)
		free_loop(&engine->loops[i]);
	waker_close(&engine->schedule.rested);
	free(engine->loops);
	free(engine->link);
	free(engine->messages);
	free(engine);
}

void threads_nudge(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++)
		waker_wake(&engine->loops[i].nudge);
}

bool threads_rest(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++) {
		if (!atomic_load(&engine->loops[i].resting))
			return false;
	}
	return true;
}

void threads_await(const struct engine *engine, uint64_t moment)
{
	struct pollfd ready[] = {{.fd = engine->schedule.rested.fd, .events = POLLIN},
				 {.fd = signals_fd(), .events = POLLIN}};
	uint64_t now = clock_now();
	const struct timespec span = clock_timespec(moment > now ? moment - now : 0);
	if (ppoll(ready, 2, &span, NULL) > 0 && (ready[0].revents & POLLIN))
		waker_clear(&engine->schedule.rested);
}

void threads_begin(struct engine *engine, uint64_t groups)
{
	unsigned loaded = 0;
	for (uint32_t id = 0; id < engine->links; id++) {
		struct link *link = &engine->link[id];
		link->loaded = groups >> config_group(engine->config, id) & 1;
		link->rank = loaded;
		loaded += link->loaded;
	}
	engine->schedule.links = loaded;
	for (unsigned i = 0; i < engine->started; i++)
		atomic_store(&engine->loops[i].resting, false);
	atomic_fetch_add(&engine->schedule.period, 1);
	threads_nudge(engine);
}

void threads_collect(struct engine *engine, struct book *sum)
{
	for (unsigned i = 0; i < engine->started; i++)
		tally_ask(&engine->loops[i].tally);
	threads_nudge(engine);
	for (unsigned i = 0; i < engine->started; i++) {
		const struct book *book;
		while (!(book = tally_take(&engine->loops[i].tally))) {
			if (atomic_load(&engine->loops[i].resting))
				tally_turn(&engine->loops[i].tally); // on its behalf
			else
				threads_await(engine, clock_now() + NS_PER_MS);
		}
		book_add(sum, book);
	}
}

struct progress threads_progress(const struct engine *engine)
{
	struct progress progress = {0};
	for (unsigned i = 0; i < engine->started; i++) {
		const struct loop *loop = &engine->loops[i];
		const struct tally *tally = &loop->tally;
		progress.live += atomic_load(&loop->resting) ? loop->live_at_stop
							     : atomic_load(&tally->live);
		progress.connected += atomic_load(&tally->connected);
		progress.failed += atomic_load(&tally->failed);
	}
	return progress;
}

uint64_t threads_answered_at(const struct engine *engine)
{
	uint64_t last = 0;
	for (unsigned i = 0; i < engine->started; i++) {
		uint64_t at = engine->loops[i].answered_at;
		last = at > last ? at : last;
	}
	return last;
}

void threads_stop_at(struct engine *engine, uint64_t moment)
{
	struct schedule *schedule = &engine->schedule;
	if (moment < atomic_load(&schedule->stop))
		atomic_store(&schedule->stop, moment);
	if (moment < atomic_load(&schedule->end))
		atomic_store(&schedule->end, moment);
	threads_nudge(engine);
}
