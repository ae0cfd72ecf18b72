// The periods that the threads work through: runs, and slices.
#include "engine.h"

#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/signals.h"
#include "generator.h"

#define IDLE_CALL (100 * NS_PER_MS)
#define WAIT_STEP (10 * NS_PER_MS)
#define WAKE_LATE (5 * NS_PER_MS)
#define GRACE (2 * NS_PER_S)	     // in which echoes on their way may come after a run
#define END_HEARD (250 * NS_PER_MS)  // for which connections still receive after our FIN
#define RUN_IN (20 * NS_PER_MS)	     // until a run begins, for the threads to get ready
#define SLICE_IN (100 * NS_PER_US)   // the same for a slice,
#define SLICE_IN_CONNECTION_NS 100   // and in addition for each connection
#define SLICE_LATE (100 * NS_PER_MS) // beside its length: messages due in it may begin after it

// A run, as the main thread sees it.
struct monitor {
	const struct engine_calls *calls;
	struct engine_result *result;
	struct usage_machine before; // recording
	bool recording, stopped;
	uint64_t from; // where the interval began, ns since recording did
};

static uint64_t earlier(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static void wake(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++)
		waker_wake(&engine->threads[i].waker);
}

static bool all_rest(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->started; i++) {
		if (!atomic_load(&engine->threads[i].resting))
			return false;
	}
	return true;
}

// Waits until `deadline`, until a thread comes to rest, or for a signal; in small steps. If a step
// of a run takes too long, we did not run in the meantime: we were stopped or out of our CPU quota,
// or the whole machine was stopped.
static void wait_until(const struct engine *engine, uint64_t deadline, struct monitor *monitor)
{
	struct pollfd rested = {.fd = engine->rested.fd, .events = POLLIN};
	int ready = 0;
	for (uint64_t now = clock_now(); ready == 0 && now < deadline;) {
		uint64_t step = earlier(now + WAIT_STEP, deadline);
		const struct timespec span = clock_timespec(step - now);
		ready = ppoll(&rested, 1, &span, NULL);
		now = clock_now();
		uint64_t end = earlier(now, atomic_load(&engine->period.stop));
		if (monitor && monitor->recording && end > step + WAKE_LATE)
			monitor->result->usage.stalled += end - step;
	}
	if (ready > 0)
		waker_clear(&engine->rested);
}

// Adds the threads' counts since the last call to `sum`. Waits for a round of each.
static void collect(const struct engine *engine, struct counters *sum)
{
	for (unsigned i = 0; i < engine->started; i++)
		counter_buffers_request(&engine->threads[i].buffers);
	wake(engine);
	for (unsigned i = 0; i < engine->started; i++) {
		struct thread *thread = &engine->threads[i];
		const struct counters *counters;
		while (!(counters = counter_buffers_take(&thread->buffers))) {
			if (atomic_load(&thread->resting))
				counter_buffers_swap(&thread->buffers); // on its behalf
			else
				wait_until(engine, clock_now() + NS_PER_MS, NULL);
		}
		counters_add(sum, counters);
	}
}

// How far they are, without `elapsed`. `live`: now, or of those at rest when recording ended.
static struct progress progress_of(const struct engine *engine)
{
	struct progress progress = {0};
	for (unsigned i = 0; i < engine->started; i++) {
		const struct thread *thread = &engine->threads[i];
		const struct counter_buffers *buffers = &thread->buffers;
		progress.live += atomic_load(&thread->resting) ? thread->live_at_stop
							       : atomic_load(&buffers->live);
		progress.connected += atomic_load(&buffers->connected);
		progress.failed += atomic_load(&buffers->failed);
	}
	return progress;
}

static void stop_at(struct engine *engine, uint64_t at)
{
	struct period *period = &engine->period;
	atomic_store(&period->stop, earlier(at, atomic_load(&period->stop)));
	atomic_store(&period->end, earlier(at, atomic_load(&period->end)));
	wake(engine);
}

// Ends the interval, `now` ns after recording began.
static void end_interval(struct engine *engine, struct monitor *monitor, uint64_t now, bool last)
{
	struct counters *counters = &engine->interval;
	collect(engine, counters);
	const struct interval interval = {
		.from = monitor->from,
		.started = monitor->result->started,
		.to = now,
		.counters = counters,
		.live = progress_of(engine).live,
		.last = last,
	};
	monitor->calls->interval(monitor->calls->context, &interval);
	counters_add(monitor->result->counters, counters);
	counters_reset(counters);
	monitor->from = now;
}

// Notes the machine's usage when recording begins, and when it ends.
static void take_stock(struct monitor *monitor, uint64_t now, uint64_t record, uint64_t stop)
{
	if (!monitor->recording && now >= record && now < stop) {
		monitor->before = usage_of_machine();
		monitor->recording = true;
	}
	if (monitor->recording && !monitor->stopped && now >= stop) {
		monitor->result->usage.machine = usage_since(&monitor->before);
		monitor->stopped = true;
	}
}

// Does what is due in a run. Returns when to call it again, at the latest.
static uint64_t check(struct engine *engine, struct monitor *monitor, uint64_t now)
{
	const struct engine_calls *calls = monitor->calls;
	uint64_t record = engine->period.record, stop = atomic_load(&engine->period.stop);
	uint64_t length = engine->config->interval ? engine->config->interval : NS_PER_S;
	uint64_t next = record + monitor->from + length;
	take_stock(monitor, now, record, stop);
	if (now >= next && now < stop) {
		end_interval(engine, monitor, next - record, false);
		next += length;
	}
	struct progress progress = progress_of(engine);
	progress.elapsed = now > record ? now - record : 0;
	if (!calls->idle(calls->context, &progress))
		stop_at(engine, now);
	return now < record ? record : now < stop ? next : CLOCK_NEVER;
}

// Waits for a period to pass, with the connections of `groups` (a bit set, config_group).
// `monitor`: of a run, else NULL.
static void pass(struct engine *engine, uint64_t groups, struct monitor *monitor)
{
	struct period *period = &engine->period;
	for (uint32_t id = 0; id < engine->connections; id++) {
		struct connection *conn = &engine->conn[id];
		conn->loaded = groups >> config_group(engine->config, id) & 1;
		conn->rank = period->connections;
		period->connections += conn->loaded;
	}
	for (unsigned i = 0; i < engine->started; i++)
		atomic_store(&engine->threads[i].resting, false);
	while (!all_rest(engine)) {
		wake(engine); // first, as the rest may take long
		uint64_t now = clock_now(), until = now + IDLE_CALL;
		if (monitor)
			until = earlier(until, check(engine, monitor, now));
		else if (period->kind != PERIOD_END && signals_caught() > 0)
			stop_at(engine, 0);
		uint64_t stop = atomic_load(&period->stop);
		wait_until(engine, now < stop ? earlier(until, stop) : until, monitor);
	}
}

static void finish(struct engine *engine, struct monitor *monitor)
{
	struct engine_result *result = monitor->result;
	uint64_t record = engine->period.record;
	uint64_t ended = atomic_load(&engine->period.stop);
	collect(engine, &engine->interval);
	uint64_t last = engine->interval.last ? engine->interval.last : result->counters->last;
	if (atomic_load(&engine->period.left) == 0) // with the last of --count
		ended = earlier(ended, last);
	result->lasted = ended > record ? ended - record : 0;
	end_interval(engine, monitor,
		     result->lasted > monitor->from ? result->lasted : monitor->from, true);
	take_stock(monitor, clock_now(), record, 0);
	const struct progress progress = progress_of(engine);
	result->live = progress.live;
	result->connected = progress.connected;
	result->usage.threads = engine->started;
	for (unsigned i = 0; i < engine->started; i++) {
		const struct thread *thread = &engine->threads[i];
		load_errors_add(&result->unconnected, &thread->unconnected);
		result->usage.thread[i] = thread->used;
		usage_add_sockets(&result->usage.tcp, &thread->sockets, &(struct usage_tcp){0});
	}
}

int engine_run(struct engine *engine, const struct engine_calls *calls,
	       struct engine_result *result, struct echod_error *error)
{
	const struct load_config *config = engine->config;
	struct monitor monitor = {.calls = calls, .result = result};
	uint64_t begin = clock_deadline(RUN_IN);
	uint64_t record = begin + config->ramp + config->warmup;
	uint64_t stop =
		config->duration >= CLOCK_NEVER - record ? CLOCK_NEVER : record + config->duration;
	*result = (struct engine_result){.config = config,
					 .counters = calloc(1, sizeof(struct counters))};
	if (!result->counters)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for the result");
	counters_reset(result->counters);
	counters_reset(&engine->interval);
	// Zeroed by the system: pages are not touched before their first use.
	result->endings = config->control ? calloc(1, sizeof(*result->endings)) : NULL;
	for (unsigned i = 0; i < engine->started; i++)
		engine->threads[i].endings = result->endings;
	engine->period = (struct period){
		.kind = PERIOD_RUN,
		.begin = begin,
		.ramp = config->ramp,
		.record = record,
		.stop = stop,
		.end = stop,
		.late = earlier(config->duration / 2, GRACE),
		.grace = GRACE,
		.left = config->count ? config->count : UINT64_MAX,
	};
	result->started = clock_wall() + (record - clock_now());
	pass(engine, config->by_target ? UINT64_MAX : 1, &monitor);
	finish(engine, &monitor);
	return 0;
}

int engine_slice(struct engine *engine, uint64_t groups, uint64_t duration,
		 struct counters *counters, uint64_t *lasted)
{
	const struct load_config *config = engine->config;
	counters_reset(counters);
	engine->period = (struct period){
		.kind = PERIOD_CONNECT,
		.begin = clock_now(),
		.record = CLOCK_NEVER,
		.stop = CLOCK_NEVER,
	};
	pass(engine, groups, NULL);
	uint64_t begin = clock_deadline(SLICE_IN + SLICE_IN_CONNECTION_NS * engine->connections);
	uint64_t record = begin + config->settle;
	engine->period = (struct period){
		.kind = PERIOD_SLICE,
		.begin = begin,
		.record = record,
		.stop = record + duration,
		.end = config->settle > 0 ? record + duration : CLOCK_NEVER,
		.late = earlier(duration + SLICE_LATE, GRACE),
		.grace = config->timeout == CLOCK_NEVER ? GRACE : config->timeout,
		.left = UINT64_MAX,
	};
	pass(engine, groups, NULL);
	if (signals_caught() > 0)
		return -1;
	collect(engine, counters);
	*lasted = config->settle > 0	   ? duration
		  : counters->last > begin ? counters->last - begin
					   : 0;
	bool any = false;
	for (uint32_t id = 0; id < engine->connections && !any; id++)
		any = engine->conn[id].loaded && !engine->conn[id].failed;
	return any ? 0 : -1;
}

void engine_close(struct engine *engine, struct counters *counters)
{
	engine->period.kind = PERIOD_END;
	engine->period.connections = 0;
	atomic_store(&engine->period.stop, clock_now() + END_HEARD);
	atomic_store(&engine->period.end, 0);
	atomic_store(&engine->period.left, 0);
	engine->period.grace = 0;
	if (engine->started > 0)
		pass(engine, 0, NULL);
	if (counters)
		collect(engine, counters);
	threads_free(engine);
}

void engine_result_free(struct engine_result *result)
{
	free(result->counters);
	free(result->endings);
	json_decref(result->ledger);
	result->counters = NULL;
	result->endings = NULL;
	result->ledger = NULL;
}
