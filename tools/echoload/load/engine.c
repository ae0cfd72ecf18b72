// The load engine. Main thread.
#include "engine.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/signals.h"
#include "resources.h"
#include "threads.h"

#define IDLE (100 * NS_PER_MS)
#define STEP (10 * NS_PER_MS)
#define LATE (5 * NS_PER_MS)
#define GRACE (2 * NS_PER_S)	     // what is on its way when a run ends may still come
#define BEGIN_IN (20 * NS_PER_MS)    // for the threads to get ready for a run,
#define SLICE_IN (100 * NS_PER_US)   // for a slice: this,
#define SLICE_LATE (100 * NS_PER_MS) // beside its length: what is due in it may begin after it
#define SLICE_IN_LINK 100	     // and this for each link

struct engine {
	const struct load_config *config;
	struct threads threads;
	const struct engine_calls *calls;
	struct book interval; // being collected
	struct book *sum;
	struct usage_machine before; // recording
	struct usage usage;	     // of the recorded time
	bool recording, stopped;
	uint64_t epoch; // when recording begins, ns since the epoch
	uint64_t from;	// where the interval began, ns since recording did
};

// Ends the interval, `now` ns after recording began.
static void end_interval(struct engine *engine, uint64_t now, bool last)
{
	threads_collect(&engine->threads, &engine->interval);
	const struct interval interval = {
		.from = engine->from,
		.started = engine->epoch,
		.to = now,
		.book = &engine->interval,
		.live = threads_progress(&engine->threads).live,
		.last = last,
	};
	engine->calls->interval(engine->calls->context, &interval);
	book_add(engine->sum, &engine->interval);
	book_reset(&engine->interval);
	engine->from = now;
}

// Sleeps in small steps. The time for which a step took longer than it should have, nobody let us
// run: we were stopped, out of a quota, or the whole machine was.
static void sleep_watchfully(struct engine *engine, uint64_t until)
{
	uint64_t now = clock_now();
	while (now < until) {
		uint64_t step = until - now < STEP ? until : now + STEP;
		const struct timespec at = clock_timespec(step);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); // or to a signal
		now = clock_now();
		uint64_t stop = atomic_load(&engine->threads.schedule.stop);
		uint64_t end = now < stop ? now : stop;
		if (end > step + LATE && engine->recording)
			engine->usage.stalled += end - step;
	}
}

// Takes note of what the machine has used when recording begins, and when it ends.
static void take_stock(struct engine *engine, uint64_t now, uint64_t stop)
{
	if (!engine->recording && now >= engine->threads.schedule.record && now < stop) {
		engine->before = usage_of_machine();
		engine->recording = true;
	}
	if (engine->recording && !engine->stopped && now >= stop) {
		engine->usage.machine = usage_since(&engine->before);
		engine->stopped = true;
	}
}

// Watches over the run until its end, interval by interval.
static void watch(struct engine *engine)
{
	const struct engine_calls *calls = engine->calls;
	uint64_t record = engine->threads.schedule.record;
	uint64_t length = engine->config->interval ? engine->config->interval : NS_PER_S;
	uint64_t next = record + length;
	while (!threads_rest(&engine->threads)) {
		uint64_t now = clock_now();
		uint64_t stop = atomic_load(&engine->threads.schedule.stop);
		take_stock(engine, now, stop);
		if (now >= next && now < stop) {
			end_interval(engine, next - record, false);
			next += length;
		}
		threads_nudge(&engine->threads); // before anything that may take its time
		struct progress progress = threads_progress(&engine->threads);
		progress.elapsed = now > record ? now - record : 0;
		if (!calls->idle(calls->context, &progress))
			threads_stop_at(&engine->threads, now);
		uint64_t soon = now + IDLE;
		uint64_t until = now < record && record < soon ? record : soon;
		until = now < stop && stop < until ? stop : until;
		sleep_watchfully(engine, next > now && next < until ? next : until);
	}
}

static void sum_usage(struct engine *engine)
{
	struct usage *usage = &engine->usage;
	for (unsigned i = 0; i < engine->threads.started; i++) {
		const struct loop *loop = &engine->threads.loops[i];
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
		usage_add_sockets(&usage->tcp, &loop->sockets);
	}
}

// When the run ended: as planned, or with the last message of --count.
static uint64_t ended_at(const struct engine *engine, uint64_t stop)
{
	if (engine->config->count == 0 || atomic_load(&engine->threads.schedule.left) > 0)
		return stop;
	uint64_t last = threads_answered_at(&engine->threads);
	return last < stop ? last : stop;
}

static void finish(struct engine *engine, struct engine_result *result)
{
	uint64_t record = engine->threads.schedule.record;
	uint64_t stop = atomic_load(&engine->threads.schedule.stop);
	uint64_t ended = ended_at(engine, stop);
	uint64_t lasted = ended > record ? ended - record : 0;
	end_interval(engine, lasted > engine->from ? lasted : engine->from, true);
	const struct progress progress = threads_progress(&engine->threads);
	*result = (struct engine_result){.book = engine->sum,
					 .started = engine->epoch,
					 .lasted = lasted,
					 .live = progress.live,
					 .connected = progress.connected};
	for (unsigned i = 0; i < engine->threads.started; i++)
		load_errors_add(&result->unconnected, &engine->threads.loops[i].unconnected);
	take_stock(engine, clock_now(), 0);
	sum_usage(engine);
	result->usage = engine->usage;
}

static void set_run(struct engine *engine)
{
	const struct load_config *config = engine->config;
	struct schedule *schedule = &engine->threads.schedule;
	schedule->measured = true;
	schedule->begin = clock_deadline(BEGIN_IN);
	schedule->ramp = config->ramp;
	schedule->record = schedule->begin + config->ramp + config->warmup;
	schedule->late = config->duration / 2 < GRACE ? config->duration / 2 : GRACE;
	schedule->grace = GRACE;
	engine->epoch = clock_wall() + (schedule->record - clock_now());
	uint64_t stop = config->duration >= CLOCK_NEVER - schedule->record
				? CLOCK_NEVER
				: schedule->record + config->duration;
	atomic_store(&schedule->stop, stop);
	atomic_store(&schedule->end, stop);
	atomic_store(&schedule->left, config->count);
}

int engine_run(struct engine *engine, const struct engine_calls *calls,
	       struct engine_result *result, struct error *error)
{
	engine->calls = calls;
	engine->from = 0;
	engine->usage = (struct usage){0};
	engine->recording = engine->stopped = false;
	engine->sum = malloc(sizeof(struct book));
	if (!engine->sum)
		return error_set(error, ERROR_SYSTEM, "no memory for the result");
	book_reset(engine->sum);
	book_reset(&engine->interval);
	set_run(engine);
	threads_begin(&engine->threads, engine->config->by_target ? UINT64_MAX : 1);
	watch(engine);
	finish(engine, result);
	return 0;
}

// Sets a period of a slice; at CLOCK_NEVER, the one before it, in which closed links are connected.
static void set_slice(struct engine *engine, uint64_t begin, uint64_t duration)
{
	const struct load_config *config = engine->config;
	struct schedule *schedule = &engine->threads.schedule;
	schedule->measured = false;
	schedule->begin = begin;
	schedule->ramp = 0;
	schedule->late = duration + SLICE_LATE < GRACE ? duration + SLICE_LATE : GRACE;
	schedule->grace = config->timeout == CLOCK_NEVER ? GRACE : config->timeout;
	uint64_t record = begin == CLOCK_NEVER ? CLOCK_NEVER : begin + config->settle;
	schedule->record = record;
	uint64_t stop = begin == CLOCK_NEVER ? CLOCK_NEVER : record + duration;
	atomic_store(&schedule->stop, stop);
	atomic_store(&schedule->end, config->settle > 0 ? stop : CLOCK_NEVER);
	atomic_store(&schedule->left, UINT64_MAX);
}

// Lets a period of a slice pass. Returns 0, or -1: a signal has ended it.
static int pass_slice(struct engine *engine, uint64_t groups)
{
	threads_begin(&engine->threads, groups);
	uint64_t stop = atomic_load(&engine->threads.schedule.stop);
	while (!threads_rest(&engine->threads)) {
		uint64_t now = clock_now();
		if (signals_caught() > 0)
			threads_stop_at(&engine->threads, 0);
		uint64_t soon = now + (now < stop ? IDLE : STEP);
		threads_await(&engine->threads, now < stop && stop < soon ? stop : soon);
		threads_nudge(&engine->threads);
	}
	return signals_caught() > 0 ? -1 : 0;
}

int engine_slice(struct engine *engine, uint64_t groups, uint64_t duration, struct book *book,
		 uint64_t *lasted)
{
	unsigned connected = threads_progress(&engine->threads).connected;
	book_reset(book);
	set_slice(engine, CLOCK_NEVER, duration);
	if (pass_slice(engine, groups) != 0)
		return -1;
	uint64_t begin = clock_deadline(SLICE_IN + SLICE_IN_LINK * engine->threads.links);
	set_slice(engine, begin, duration);
	if (pass_slice(engine, groups) != 0)
		return -1;
	threads_collect(&engine->threads, book);
	bool any = threads_progress(&engine->threads).connected > connected;
	for (uint32_t id = 0; id < engine->threads.links && !any; id++)
		any = engine->threads.link[id].loaded &&
		      engine->threads.link[id].state == LINK_OPEN;
	uint64_t last = threads_answered_at(&engine->threads);
	*lasted = last > begin ? last - begin : 0;
	if (engine->config->settle > 0)
		*lasted = duration;
	return any ? 0 : -1;
}

struct engine *engine_open(const struct load_config *config, struct error *error)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine) {
		error_set(error, ERROR_SYSTEM, "no memory for the load");
		return NULL;
	}
	engine->config = config;
	engine->threads.schedule.rested = -1;
	if (resources_check(config, error) == 0 &&
	    threads_open(&engine->threads, config, error) == 0)
		return engine;
	engine_close(engine, NULL);
	return NULL;
}

void engine_close(struct engine *engine, struct book *book)
{
	threads_close(&engine->threads, book);
	free(engine);
}

void engine_result_free(struct engine_result *result)
{
	free(result->book);
	result->book = NULL;
}
