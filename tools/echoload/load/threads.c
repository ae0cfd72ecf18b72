// The memory and the threads of an engine, and its limits.
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
#include "generator.h"

// Raises the limit on descriptors as far as possible. Refused ones are errors of the run.
static void raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Checks that each source is an address of this machine.
static int check_sources(const struct load_config *config, struct echod_error *error)
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
			return error_set(
				error, ECHOD_ERROR_USAGE, "--source: '%.*s' cannot be used: %s",
				(int)(strlen(text) - strlen(":0")), text, error_text(number));
	}
	return 0;
}

static uint64_t sent_on(void *context, uint32_t connection)
{
	const struct thread *thread = context;
	return atomic_load_explicit(&thread->all[connection].sent, memory_order_relaxed);
}

static void note_fault(void *context, const struct fault *fault)
{
	struct thread *thread = context;
	struct counters *counters = thread->buffers.open;
	if (counters->fault_count < COUNTERS_FAULTS)
		counters->faults[counters->fault_count] = *fault;
	counters->fault_count++;
}

// Takes the memory. Each connection has a ring of `ring` messages.
static int take_memory(struct engine *engine, unsigned ring, struct echod_error *error)
{
	const struct load_config *config = engine->config;
	engine->conn = aligned_alloc(_Alignof(struct connection),
				     engine->connections * sizeof(struct connection));
	engine->messages = calloc((size_t)engine->connections * ring, sizeof(struct message));
	engine->threads = calloc(config->threads, sizeof(*engine->threads));
	engine->buffers = calloc(config->threads, 2 * THREAD_BUFFER);
	for (unsigned i = 0; engine->threads && i < config->threads; i++) {
		struct thread *thread = &engine->threads[i];
		counter_buffers_init(&thread->buffers);
		thread->config = config;
		thread->all = engine->conn;
		thread->period = &engine->period;
		thread->rested = &engine->rested;
		thread->in = engine->buffers + 2 * i * THREAD_BUFFER;
		thread->out = thread->in + THREAD_BUFFER;
		thread->ring = ring;
		thread->resting = true;
		thread->waker = WAKER_NONE;
		thread->epoll = -1;
		thread->scope = (struct verify_scope){
			.payload = &engine->payload,
			.connections = engine->connections,
			.sent = sent_on,
			.report = note_fault,
			.context = thread,
		};
	}
	if (!engine->conn || !engine->messages || !engine->threads || !engine->buffers)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "no memory for %u connections in %u threads", engine->connections,
				 config->threads);
	return 0;
}

// Deals the connections out to the threads, so that each has an even share of each group.
static void deal_connections(struct engine *engine, unsigned ring)
{
	const struct load_config *config = engine->config;
	size_t groups = config->by_target ? config->target_count : 1;
	for (uint32_t id = engine->connections; id-- > 0;) {
		struct thread *thread = &engine->threads[id / groups % config->threads];
		engine->conn[id] = (struct connection){
			.timer = {.place = TIMER_UNSET},
			.next = thread->connections,
			.id = id,
			.fd = -1,
			.random = {.state = config->run ^ ((uint64_t)id << 32)},
			.messages = engine->messages + (size_t)id * ring,
		};
		thread->connections = &engine->conn[id];
		thread->count++;
	}
}

// Starts the next thread, on its CPU if --cpu is given.
static int start_thread(struct engine *engine, struct echod_error *error)
{
	const struct load_config *config = engine->config;
	unsigned index = engine->started;
	struct thread *thread = &engine->threads[index];
	struct epoll_event woken = {.events = EPOLLIN};
	char name[16];
	snprintf(name, sizeof(name), "echoload/%u", index % 1000000);
	thread->epoll = epoll_create1(EPOLL_CLOEXEC);
	thread->timers.heap = calloc(thread->count, sizeof(struct timer *));
	if (waker_open(&thread->waker, error) != 0)
		return -1;
	if (!thread->timers.heap ||
	    epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->waker.fd, &woken) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot make the thread %u: %s", index,
				 error_text(errno));
	if (thread_start(&thread->handle, name, generator_run, thread, error) != 0)
		return -1;
	engine->started++;
	if (config->cpu_count == 0)
		return 0;
	unsigned cpu = config->cpus[index % config->cpu_count];
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	int number = pthread_setaffinity_np(thread->handle, sizeof(cpus), &cpus);
	return number ? error_set(error, ECHOD_ERROR_USAGE, "--cpu: CPU %u cannot be used: %s", cpu,
				  error_text(number))
		      : 0;
}

static int start(struct engine *engine, struct echod_error *error)
{
	unsigned ring = 1;
	while (ring < engine->config->pipeline)
		ring *= 2;
	raise_limit();
	if (check_sources(engine->config, error) != 0 || waker_open(&engine->rested, error) != 0 ||
	    take_memory(engine, ring, error) != 0)
		return -1;
	payload_init(&engine->payload, engine->config->run);
	deal_connections(engine, ring);
	while (engine->started < engine->config->threads) {
		if (start_thread(engine, error) != 0)
			return -1;
	}
	return 0;
}

struct engine *engine_open(const struct load_config *config, struct echod_error *error)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine) {
		error_set(error, ECHOD_ERROR_SYSTEM, "no memory for the load");
		return NULL;
	}
	engine->config = config;
	engine->connections = config->connections + config->extra;
	engine->rested = WAKER_NONE;
	if (start(engine, error) == 0)
		return engine;
	engine_close(engine, NULL);
	return NULL;
}

void threads_free(struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++)
		pthread_join(engine->threads[i].handle, NULL);
	for (unsigned i = 0; engine->threads && i < engine->config->threads; i++) {
		waker_close(&engine->threads[i].waker);
		if (engine->threads[i].epoll >= 0)
			close(engine->threads[i].epoll);
		free(engine->threads[i].timers.heap);
	}
	waker_close(&engine->rested);
	free(engine->threads);
	free(engine->conn);
	free(engine->messages);
	free(engine->buffers);
	free(engine);
}
