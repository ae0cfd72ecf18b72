// The load engine. Main thread.
#include "engine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "loop.h"

#define INTERVAL NS_PER_S
#define IDLE (100 * NS_PER_MS)
#define SPARE 64 // descriptors for all else
#define STEP (10 * NS_PER_MS)
#define LATE (5 * NS_PER_MS)
#define BEGIN_IN (20 * NS_PER_MS) // for the threads to get ready

struct engine {
	const struct load_config *config;
	const struct engine_calls *calls;
	struct payload *payload;
	struct schedule schedule;
	struct loop *loops;
	struct tally *tallies;
	unsigned started;
	struct book *interval; // being collected
	struct book *sum;
	uint64_t stalled;
	uint64_t epoch; // when recording begins, ns since the epoch
	uint64_t from;	// where the interval began, ns since recording did
};

static void set_schedule(struct engine *engine)
{
	const struct load_config *config = engine->config;
	struct schedule *schedule = &engine->schedule;
	schedule->begin = clock_deadline(BEGIN_IN);
	schedule->record = schedule->begin + config->ramp + config->warmup;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	engine->epoch = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec +
			(schedule->record - clock_now());
	uint64_t stop = config->duration >= CLOCK_NEVER - schedule->record
				? CLOCK_NEVER
				: schedule->record + config->duration;
	atomic_store(&schedule->stop, stop);
	atomic_store(&schedule->left, config->count);
}

static int prepare(struct engine *engine, struct error *error)
{
	const struct load_config *config = engine->config;
	engine->payload = malloc(sizeof(*engine->payload));
	engine->loops = calloc(config->threads, sizeof(*engine->loops));
	engine->tallies = calloc(config->threads, sizeof(*engine->tallies));
	engine->interval = malloc(sizeof(struct book));
	engine->sum = malloc(sizeof(struct book));
	if (!engine->payload || !engine->loops || !engine->tallies || !engine->interval ||
	    !engine->sum)
		return error_set(error, ERROR_SYSTEM, "no memory for %u threads", config->threads);
	payload_init(engine->payload, config->run);
	book_reset(engine->interval);
	book_reset(engine->sum);
	return 0;
}

// Asks for as many descriptors as the connections need; those that are refused are errors of the
// run.
static void raise_limit(const struct load_config *config)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)config->connections + 2 * (rlim_t)config->threads + SPARE;
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

static int prepare_loops(struct engine *engine, struct error *error)
{
	const struct load_config *config = engine->config;
	raise_limit(config);
	if (check_cpus(config, error) != 0 || check_sources(config, error) != 0)
		return -1;
	for (unsigned i = 0; i < config->threads; i++) {
		struct loop *loop = &engine->loops[i];
		tally_init(&engine->tallies[i]);
		*loop = (struct loop){
			.config = config,
			.loops = engine->loops,
			.schedule = &engine->schedule,
			.tally = &engine->tallies[i],
			.index = i,
			.epoll = -1,
		};
		if (loop_init(loop, engine->payload) != 0)
			return error_set(error, ERROR_SYSTEM, "no memory for %u connections",
					 config->connections);
	}
	return 0;
}

static void sleep_until(uint64_t moment)
{
	const struct timespec at = {.tv_sec = (time_t)(moment / NS_PER_S),
				    .tv_nsec = (long)(moment % NS_PER_S)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); // a signal may cut it short
}

static void nudge_all(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++)
		loop_nudge(&engine->loops[i]);
}

static int start_threads(struct engine *engine, struct error *error)
{
	for (; engine->started < engine->config->threads; engine->started++) {
		struct loop *loop = &engine->loops[engine->started];
		char name[16];
		snprintf(name, sizeof(name), "echoload/%u", engine->started % 1000000);
		if (thread_start(&loop->thread, name, loop_run, loop, error) != 0)
			return -1;
	}
	for (unsigned i = 0; i < engine->started; i++) {
		while (!atomic_load(&engine->loops[i].ready))
			sleep_until(clock_now() + NS_PER_MS / 10);
	}
	set_schedule(engine);
	nudge_all(engine);
	return 0;
}

static bool all_finished(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++) {
		if (!atomic_load(&engine->loops[i].finished))
			return false;
	}
	return true;
}

// Collects the books of all threads, and waits for those that are not closed yet: a round of the
// loop at most, or for ever closed when the thread has ended.
static void collect(struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++) {
		tally_ask(&engine->tallies[i]);
		loop_nudge(&engine->loops[i]);
	}
	for (unsigned i = 0; i < engine->started; i++) {
		const struct book *book;
		while (!(book = tally_take(&engine->tallies[i]))) {
			if (atomic_load(&engine->loops[i].finished))
				tally_turn(&engine->tallies[i]); // on its behalf
			else
				sleep_until(clock_now() + NS_PER_MS);
		}
		book_add(engine->interval, book);
	}
}

static unsigned live_connections(const struct engine *engine)
{
	unsigned live = 0;
	for (unsigned i = 0; i < engine->started; i++)
		live += engine->loops[i].finished ? engine->loops[i].live_at_stop
						  : atomic_load_explicit(&engine->tallies[i].live,
									 memory_order_relaxed);
	return live;
}

// Ends the interval, `now` ns after recording began.
static void end_interval(struct engine *engine, uint64_t now, bool last)
{
	collect(engine);
	const struct interval interval = {
		.from = engine->from,
		.started = engine->epoch,
		.to = now,
		.book = engine->interval,
		.live = live_connections(engine),
		.last = last,
	};
	engine->calls->interval(engine->calls->context, &interval);
	book_add(engine->sum, engine->interval);
	book_reset(engine->interval);
	engine->from = now;
}

static void stop_at(struct engine *engine, uint64_t moment)
{
	uint64_t stop = atomic_load(&engine->schedule.stop);
	if (moment < stop)
		atomic_store(&engine->schedule.stop, moment);
}

static void end_at_once(struct engine *engine)
{
	stop_at(engine, 0);
	nudge_all(engine);
}

static struct progress progress_of(const struct engine *engine, uint64_t now)
{
	uint64_t record = engine->schedule.record;
	struct progress progress = {.elapsed = now > record ? now - record : 0,
				    .live = live_connections(engine)};
	for (unsigned i = 0; i < engine->started; i++) {
		const struct tally *tally = &engine->tallies[i];
		progress.connected += atomic_load_explicit(&tally->connected, memory_order_relaxed);
		progress.failed += atomic_load_explicit(&tally->failed, memory_order_relaxed);
	}
	return progress;
}

// Sleeps in small steps. The time for which a step took longer than it should have, nobody let us
// run: we were stopped, out of a quota, or the whole machine was.
static void sleep_watchfully(struct engine *engine, uint64_t until)
{
	uint64_t now = clock_now();
	while (now < until) {
		uint64_t step = until - now < STEP ? until : now + STEP;
		sleep_until(step);
		now = clock_now();
		if (now > step + LATE && now > engine->schedule.record)
			engine->stalled += now - step;
	}
}

// Watches over the run until its end, interval by interval.
static void watch(struct engine *engine)
{
	const struct engine_calls *calls = engine->calls;
	uint64_t record = engine->schedule.record;
	uint64_t next = record + INTERVAL;
	while (!all_finished(engine)) {
		uint64_t now = clock_now();
		uint64_t stop = atomic_load(&engine->schedule.stop);
		if (now >= next && now < stop) {
			end_interval(engine, next - record, false);
			next += INTERVAL;
		}
		nudge_all(engine); // before anything that may take its time
		const struct progress progress = progress_of(engine, now);
		if (!calls->idle(calls->context, &progress)) {
			stop_at(engine, now);
			nudge_all(engine);
		}
		uint64_t soon = now + IDLE;
		uint64_t until = now < record && record < soon ? record : soon;
		until = now < stop && stop < until ? stop : until;
		sleep_watchfully(engine, next > now && next < until ? next : until);
	}
}

static void sum_usage(const struct engine *engine, struct usage *usage)
{
	*usage = (struct usage){0};
	for (unsigned i = 0; i < engine->started; i++) {
		const struct loop *loop = &engine->loops[i];
		if (i < USAGE_THREADS) {
			usage->thread[i] = (struct usage_thread){
				.at = loop->at_stop.at - loop->at_record.at,
				.worked = loop->at_stop.worked - loop->at_record.worked,
				.user = loop->at_stop.user - loop->at_record.user,
				.system = loop->at_stop.system - loop->at_record.system,
				.waited = loop->at_stop.waited - loop->at_record.waited,
			};
			usage->threads = i + 1;
		}
		usage_add_sockets(&usage->tcp, &loop->before, &loop->sockets);
	}
}

// When the run ended: as planned, or with the last message of --count.
static uint64_t ended_at(const struct engine *engine, uint64_t stop)
{
	if (engine->config->count == 0 || atomic_load(&engine->schedule.left) > 0)
		return stop;
	uint64_t last = 0;
	for (unsigned i = 0; i < engine->started; i++)
		last = engine->loops[i].answered_at > last ? engine->loops[i].answered_at : last;
	return last < stop ? last : stop;
}

static void finish(struct engine *engine, const struct usage_machine *before,
		   struct engine_result *result)
{
	for (unsigned i = 0; i < engine->started; i++)
		pthread_join(engine->loops[i].thread, NULL);
	uint64_t record = engine->schedule.record;
	uint64_t stop = atomic_load(&engine->schedule.stop);
	uint64_t ended = ended_at(engine, stop);
	uint64_t lasted = ended > record ? ended - record : 0;
	end_interval(engine, lasted > engine->from ? lasted : engine->from, true);
	*result = (struct engine_result){
		.book = engine->sum, .started = engine->epoch, .lasted = lasted};
	result->live = live_connections(engine);
	result->connected = progress_of(engine, 0).connected;
	engine->sum = NULL;
	sum_usage(engine, &result->usage);
	result->usage.stalled = engine->stalled;
	result->usage.machine = usage_since(before);
}

static void free_engine(struct engine *engine)
{
	for (unsigned i = 0; engine->loops && i < engine->config->threads; i++) {
		if (engine->loops[i].config)
			loop_free(&engine->loops[i]);
	}
	free(engine->loops);
	free(engine->tallies);
	free(engine->payload);
	free(engine->interval);
	free(engine->sum);
}

int engine_run(const struct load_config *config, const struct engine_calls *calls,
	       struct engine_result *result, struct error *error)
{
	struct engine engine = {.config = config, .calls = calls};
	int status = prepare(&engine, error);
	if (status == 0)
		status = prepare_loops(&engine, error);
	if (status == 0)
		status = start_threads(&engine, error);
	const struct usage_machine before = usage_of_machine();
	if (status == 0)
		watch(&engine);
	else
		end_at_once(&engine);
	if (status == 0) {
		finish(&engine, &before, result);
	} else {
		for (unsigned i = 0; i < engine.started; i++)
			pthread_join(engine.loops[i].thread, NULL);
	}
	free_engine(&engine);
	return status;
}

void engine_result_free(struct engine_result *result)
{
	free(result->book);
	result->book = NULL;
}
