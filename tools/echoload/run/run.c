// One run of the load. Main thread.
#include "run.h"

#include "base/clock.h"
#include "base/signals.h"
#include "echoload/judge/far_end.h"

#define PATIENCE (5 * NS_PER_S)

// What is known of the run while it lasts.
struct watch {
	const struct load_config *config;
	struct screen *progress;
	struct outputs *outputs;
	struct far_end *far_end;
	struct screen_moment moment;
	unsigned connected; // so far
	uint64_t alive_at;  // when there was a connection
	bool interrupted, disconnected;
};

static void take_interval(void *context, const struct interval *interval)
{
	struct watch *watch = context;
	const struct book *book = interval->book;
	struct screen_moment *moment = &watch->moment;
	double seconds = clock_seconds(interval->to - interval->from);
	moment->messages += book->messages;
	moment->rate = seconds > 0 ? (double)book->messages / seconds : 0;
	moment->bytes_per_second = seconds > 0 ? (double)book->bytes / seconds : 0;
	moment->p50 = hdr_percentile(&book->latency, 50);
	moment->p99 = hdr_percentile(&book->latency, 99);
	moment->errors += load_errors_total(&book->errors);
	if (watch->outputs && !watch->disconnected)
		outputs_interval(watch->outputs, interval);
}

// Whether a run without an end of its own waits for a server that does not come back.
static bool server_is_dead(struct watch *watch, const struct progress *progress)
{
	uint64_t now = clock_now();
	if (progress->live > 0 || progress->connected != watch->connected ||
	    progress->connected == 0)
		watch->alive_at = now;
	watch->connected = progress->connected;
	uint64_t patience =
		watch->config->timeout == CLOCK_NEVER ? PATIENCE : watch->config->timeout;
	return watch->config->duration == CLOCK_NEVER && now - watch->alive_at > patience;
}

static bool take_progress(void *context, const struct progress *progress)
{
	struct watch *watch = context;
	const struct load_config *config = watch->config;
	watch->moment.elapsed = progress->elapsed;
	watch->moment.connections = progress->live;
	screen_progress(watch->progress, &watch->moment);
	if (progress->elapsed > 0)
		far_end_begin(watch->far_end);
	if (progress->elapsed >= config->duration)
		far_end_end(watch->far_end);
	bool dead = server_is_dead(watch, progress);
	watch->interrupted = signals_caught() > 0;
	watch->disconnected = progress->connected == 0 && progress->failed == config->connections;
	return !watch->interrupted && !watch->disconnected && !dead;
}

static struct facts facts_of(const struct load_config *config, const struct engine_result *result)
{
	const struct book *book = result->book;
	return (struct facts){
		.latency = &book->latency,
		.uncorrected = &book->uncorrected,
		.lateness = &book->lateness,
		.lasted = result->lasted,
		.messages = book->messages,
		.live = result->live,
		.unanswered = book->unanswered,
		.visits = book->visits,
		.bytes = book->bytes,
		.bytes_verified = book->verified,
		.verified = config->verify,
		.errors = &book->errors,
		.faults = book->faults,
		.faults_kept = book->fault_count < BOOK_FAULTS ? book->fault_count : BOOK_FAULTS,
		.fault_count = book->fault_count,
	};
}

int run_load(struct run *run, const struct load_config *config, struct screen *progress,
	     struct outputs *outputs, struct error *error)
{
	*run = (struct run){0};
	struct watch watch = {
		.config = config,
		.progress = progress,
		.outputs = outputs,
		.far_end = far_end_open(config, error),
		.moment = {.duration = config->duration, .count = config->count},
	};
	if (!watch.far_end)
		return -1;
	const struct engine_calls calls = {take_interval, take_progress, &watch};
	struct engine *engine = engine_open(config, error);
	int status = engine ? engine_run(engine, &calls, &run->engine, error) : -1;
	if (engine)
		engine_close(engine, run->engine.book);
	screen_clear(progress);
	far_end_end(watch.far_end);
	if (status == 0) {
		const struct far_end_view view = far_end_view(watch.far_end);
		run->facts = facts_of(config, &run->engine);
		evidence_gather(&run->evidence, config, &run->facts, run->engine.book,
				&run->engine.usage, &view);
		verdict_reach(&run->verdict, config, &run->facts, &run->evidence);
		run->interrupted = watch.interrupted;
		run->disconnected = watch.disconnected;
	}
	far_end_free(watch.far_end);
	return status;
}

void run_free(struct run *run)
{
	engine_result_free(&run->engine);
}
