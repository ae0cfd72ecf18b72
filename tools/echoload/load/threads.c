// The memory and the threads of an engine, and what they need of the system.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "engine.h"
#include "loop.h"

// Asks for as many descriptors as there may be. Those that are refused are errors of the run.
static void raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Whether each source is an address of ours.
static int check_sources(const struct load_config *config, struct error *error)
{
	for (size_t i = 0; i < config->source_count; i++) {
		const struct endpoint *source = &config->sources[i];
		int fd = socket(source->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int number = fd < 0 || bind(fd, &source->as.any, source->length) != 0 ? errno : 0;
		char text[ADDRESS_TEXT_SIZE];
		if (fd >= 0)
			close(fd);
		endpoint_format(source, text);
		if (number)
			return error_set(error, ERROR_USAGE, "--source: '%.*s' cannot be used: %s",
					 (int)(strlen(text) - strlen(":0")), text,
					 error_text(number));
	}
	return 0;
}

static uint64_t sent_on(void *context, uint32_t connection)
{
	const struct loop *loop = context;
	return atomic_load_explicit(&loop->all[connection].sent, memory_order_relaxed);
}

static void note_fault(void *context, const struct fault *fault)
{
	struct loop *loop = context;
	struct book *book = loop->tally.open;
	if (book->fault_count < BOOK_FAULTS)
		book->faults[book->fault_count] = *fault;
	book->fault_count++;
}

// Takes the memory. Each link has a ring of `ring` messages.
static int take_memory(struct engine *engine, unsigned ring, struct error *error)
{
	const struct load_config *config = engine->config;
	engine->link = aligned_alloc(_Alignof(struct link), engine->links * sizeof(struct link));
	engine->messages = calloc((size_t)engine->links * ring, sizeof(struct message));
	engine->loops = calloc(config->threads, sizeof(*engine->loops));
	engine->buffers = calloc(config->threads, 2 * LOOP_BUFFER);
	for (unsigned i = 0; engine->loops && i < config->threads; i++) {
		struct loop *loop = &engine->loops[i];
		tally_init(&loop->tally);
		loop->config = config;
		loop->all = engine->link;
		loop->period = &engine->period;
		loop->rested = &engine->rested;
		loop->in = engine->buffers + 2 * i * LOOP_BUFFER;
		loop->out = loop->in + LOOP_BUFFER;
		loop->ring = ring;
		loop->resting = true;
		loop->nudge = WAKER_NONE;
		loop->epoll = -1;
		loop->scope = (struct verify_scope){
			.payload = &engine->payload,
			.connections = engine->links,
			.sent = sent_on,
			.report = note_fault,
			.context = loop,
		};
	}
	if (!engine->link || !engine->messages || !engine->loops || !engine->buffers)
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

// Starts the next thread, on the CPU that is meant for it.
static int start_thread(struct engine *engine, struct error *error)
{
	const struct load_config *config = engine->config;
	unsigned index = engine->started;
	struct loop *loop = &engine->loops[index];
	struct epoll_event nudged = {.events = EPOLLIN};
	char name[16];
	snprintf(name, sizeof(name), "echoload/%u", index % 1000000);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->timers.heap = calloc(loop->count, sizeof(struct timer *));
	if (waker_open(&loop->nudge, error) != 0)
		return -1;
	if (!loop->timers.heap ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->nudge.fd, &nudged) != 0)
		return error_set(error, ERROR_SYSTEM, "cannot make the thread %u: %s", index,
				 error_text(errno));
	if (thread_start(&loop->thread, name, generator_run, loop, error) != 0)
		return -1;
	engine->started++;
	if (config->cpu_count == 0)
		return 0;
	unsigned cpu = config->cpus[index % config->cpu_count];
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	int number = pthread_setaffinity_np(loop->thread, sizeof(cpus), &cpus);
	return number ? error_set(error, ERROR_USAGE, "--cpu: CPU %u cannot be used: %s", cpu,
				  error_text(number))
		      : 0;
}

static int start(struct engine *engine, struct error *error)
{
	unsigned ring = 1;
	while (ring < engine->config->pipeline)
		ring *= 2;
	raise_limit();
	if (check_sources(engine->config, error) != 0 || waker_open(&engine->rested, error) != 0 ||
	    take_memory(engine, ring, error) != 0)
		return -1;
	payload_init(&engine->payload, engine->config->run);
	deal_links(engine, ring);
	while (engine->started < engine->config->threads) {
		if (start_thread(engine, error) != 0)
			return -1;
	}
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
	engine->rested = WAKER_NONE;
	if (start(engine, error) == 0)
		return engine;
	engine_close(engine, NULL);
	return NULL;
}

void threads_free(struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++)
		pthread_join(engine->loops[i].thread, NULL);
	for (unsigned i = 0; engine->loops && i < engine->config->threads; i++) {
		waker_close(&engine->loops[i].nudge);
		if (engine->loops[i].epoll >= 0)
			close(engine->loops[i].epoll);
		free(engine->loops[i].timers.heap);
	}
	waker_close(&engine->rested);
	free(engine->loops);
	free(engine->link);
	free(engine->messages);
	free(engine->buffers);
	free(engine);
}
