// The run proper, and slices. Main thread.
#include "engine.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/signals.h"
#include "loop.h"

#define IDLE (100 * NS_PER_MS)
#define STEP (10 * NS_PER_MS)
#define LATE (5 * NS_PER_MS)
#define GRACE (2 * NS_PER_S)	     // what is on its way when a run ends may still come
#define BEGIN_IN (20 * NS_PER_MS)    // for the threads to get ready for a run,
#define SLICE_IN (100 * NS_PER_US)   // for a slice: this,
#define SLICE_IN_LINK 100	     // and this for each link
#define SLICE_LATE (100 * NS_PER_MS) // beside its length: what is due in it may begin after it

static uint64_t earlier(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

// A run, as the main thread sees it.
struct watch {
	struct engine *engine;
	const struct engine_calls *calls;
	struct engine_result *result;
	struct usage_machine before; // recording
	bool recording, stopped;
	uint64_t from; // where the interval began, ns since recording did
};

// Ends the interval, `now` ns after recording began.
static void end_interval(struct watch *watch, uint64_t now, bool last)
{
	struct book *book = &watch->engine->interval;
	threads_collect(watch->engine, book);
	const struct interval interval = {
		.from = watch->from,
		.started = watch->result->started,
		.to = now,
		.book = book,
		.live = threads_progress(watch->engine).live,
		.last = last,
	};
	watch->calls->interval(watch->calls->context, &interval);
	book_add(watch->result->book, book);
	book_reset(book);
	watch->from = now;
}

// Sleeps in small steps. The time for which a step took longer than it should have, nobody let us
// run: we were stopped, out of a quota, or the whole machine was.
static void sleep_watchfully(struct watch *watch, uint64_t until)
{
	for (uint64_t now = clock_now(); now < until;) {
		uint64_t step = earlier(now + STEP, until);
		const struct timespec at = clock_timespec(step);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); // or to a signal
		now = clock_now();
		uint64_t end = earlier(now, atomic_load(&watch->engine->schedule.stop));
		if (end > step + LATE && watch->recording)
			watch->result->usage.stalled += end - step;
	}
}

// Takes note of what the machine has used when recording begins, and when it ends.
static void take_stock(struct watch *watch, uint64_t now, uint64_t stop)
{
	if (!watch->recording && now >= watch->engine->schedule.record && now < stop) {
		watch->before = usage_of_machine();
		watch->recording = true;
	}
	if (watch->recording && !watch->stopped && now >= stop) {
		watch->result->usage.machine = usage_since(&watch->before);
		watch->stopped = true;
	}
}

// Watches over the run until its end, interval by interval.
static void watch_run(struct watch *watch)
{
	struct engine *engine = watch->engine;
	const struct engine_calls *calls = watch->calls;
	uint64_t record = engine->schedule.record;
	uint64_t length = engine->config->interval ? engine->config->interval : NS_PER_S;
	uint64_t next = record + length;
	while (!threads_rest(engine)) {
		uint64_t now = clock_now();
		uint64_t stop = atomic_load(&engine->schedule.stop);
		take_stock(watch, now, stop);
		if (now >= next && now < stop) {
			end_interval(watch, next - record, false);
			next += length;
		}
		threads_nudge(engine); // before anything that may take its time
		struct progress progress = threads_progress(engine);
		progress.elapsed = now > record ? now - record : 0;
		if (!calls->idle(calls->context, &progress))
			threads_stop_at(engine, now);
		uint64_t until = now + IDLE;
		const uint64_t moments[] = {record, stop, next};
		for (unsigned i = 0; i < 3; i++)
			until = moments[i] > now ? earlier(until, moments[i]) : until;
		sleep_watchfully(watch, until);
	}
}

static void finish(struct watch *watch)
{
	struct engine *engine = watch->engine;
	struct engine_result *result = watch->result;
	uint64_t record = engine->schedule.record;
	uint64_t ended = atomic_load(&engine->schedule.stop);
	if (engine->config->count > 0 && atomic_load(&engine->schedule.left) == 0)
		ended = earlier(ended, threads_answered_at(engine)); // with the last of --count
	result->lasted = ended > record ? ended - record : 0;
	end_interval(watch, result->lasted > watch->from ? result->lasted : watch->from, true);
	take_stock(watch, clock_now(), 0);
	const struct progress progress = threads_progress(engine);
	result->live = progress.live;
	result->connected = progress.connected;
	result->usage.threads = engine->started;
	for (unsigned i = 0; i < engine->started; i++) {
		const struct loop *loop = &engine->loops[i];
		load_errors_add(&result->unconnected, &loop->unconnected);
		result->usage.thread[i] = loop->used;
		usage_add_sockets(&result->usage.tcp, &loop->sockets, &(struct usage_tcp){0});
	}
}

static void set_run(struct schedule *schedule, const struct load_config *config)
{
	schedule->measured = true;
	schedule->begin = clock_deadline(BEGIN_IN);
	schedule->ramp = config->ramp;
	schedule->record = schedule->begin + config->ramp + config->warmup;
	schedule->late = earlier(config->duration / 2, GRACE);
	schedule->grace = GRACE;
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
	struct watch watch = {.engine = engine, .calls = calls, .result = result};
	*result = (struct engine_result){
		.config = engine->config,
		.book = malloc(sizeof(struct book)),
	};
	if (!result->book)
		return error_set(error, ERROR_SYSTEM, "no memory for the result");
	book_reset(result->book);
	book_reset(&engine->interval);
	set_run(&engine->schedule, engine->config);
	result->started = clock_wall() + (engine->schedule.record - clock_now());
	threads_begin(engine, engine->config->by_target ? UINT64_MAX : 1);
	watch_run(&watch);
	finish(&watch);
	return 0;
}

// Sets a period of a slice; at CLOCK_NEVER, the one before it, in which closed links are connected.
static void set_slice(struct schedule *schedule, const struct load_config *config, uint64_t begin,
		      uint64_t duration)
{
	schedule->measured = false;
	schedule->begin = begin;
	schedule->ramp = 0;
	schedule->late = earlier(duration + SLICE_LATE, GRACE);
	schedule->grace = config->timeout == CLOCK_NEVER ? GRACE : config->timeout;
	schedule->record = begin == CLOCK_NEVER ? CLOCK_NEVER : begin + config->settle;
	uint64_t stop = begin == CLOCK_NEVER ? CLOCK_NEVER : schedule->record + duration;
	atomic_store(&schedule->stop, stop);
	atomic_store(&schedule->end, config->settle > 0 ? stop : CLOCK_NEVER);
	atomic_store(&schedule->left, UINT64_MAX);
}

// Lets a period of a slice pass. Returns 0, or -1: a signal has ended it.
static int pass_slice(struct engine *engine, uint64_t groups, uint64_t begin, uint64_t duration)
{
	set_slice(&engine->schedule, engine->config, begin, duration);
	uint64_t stop = atomic_load(&engine->schedule.stop);
	threads_begin(engine, groups);
	while (!threads_rest(engine)) {
		uint64_t now = clock_now();
		if (signals_caught() > 0)
			threads_stop_at(engine, 0);
		threads_await(engine, now < stop ? earlier(now + IDLE, stop) : now + STEP);
		threads_nudge(engine);
	}
	return signals_caught() > 0 ? -1 : 0;
}

int engine_slice(struct engine *engine, uint64_t groups, uint64_t duration, struct book *book,
		 uint64_t *lasted)
{
	unsigned connected = threads_progress(engine).connected;
	book_reset(book);
	if (pass_slice(engine, groups, CLOCK_NEVER, duration) != 0)
		return -1;
	uint64_t begin = clock_deadline(SLICE_IN + SLICE_IN_LINK * engine->links);
	if (pass_slice(engine, groups, begin, duration) != 0)
		return -1;
	threads_collect(engine, book);
	uint64_t last = threads_answered_at(engine);
	*lasted = last > begin ? last - begin : 0;
	if (engine->config->settle > 0)
		*lasted = duration;
	bool any = threads_progress(engine).connected > connected;
	for (uint32_t id = 0; id < engine->links && !any; id++)
		any = engine->link[id].loaded && engine->link[id].state == LINK_OPEN;
	return any ? 0 : -1;
}

void engine_result_free(struct engine_result *result)
{
	free(result->book);
	result->book = NULL;
}
