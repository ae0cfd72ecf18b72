// What can be seen of the other end. A thread of its own.
#include "far_end.h"

#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "control/client.h"
#include "echoload/common/cpu_time.h"
#include "echoload/common/random.h"
#include "probe.h"
#include "processes.h"

#define LOOK (40 * NS_PER_MS) // on the average
#define PATIENCE \
	(100 * NS_PER_MS) // for an answer; one that takes longer is one of a server in need
#define SPIN 50e3 // ns that echod polls before it misses (--spin), if it is not told otherwise
#define PATIENCE_FIRST (5 * NS_PER_S)

// Of the counters of an echod.
struct told {
	double wait_seconds, wait_count; // of connections in the queue
	double spin_misses;
};

struct far_end {
	const char *control;
	struct processes server;
	bool between;
	bool distant; // nothing is known of the server: it is probed

	pthread_t thread;
	bool begun, ended; // of the main thread
	_Atomic bool stop;

	// The thread's, until it has been joined.
	uint64_t from, lasted;
	unsigned cpus;
	struct processes_usage before, after;
	uint64_t throttled;
	struct told told; // by how much its counters rose
	uint64_t looks, stopped, asked, silent;
	double busy; // sum over the answers
	struct probe probe;
};

// The JSON object that the control socket answers, NULL: none in time.
static json_t *ask(const struct far_end *far_end, const char *request, uint64_t timeout,
		   struct error *error)
{
	struct client_reply reply;
	if (client_ask(far_end->control, request, timeout, &reply, error) != 0)
		return NULL;
	json_t *json = reply.status == 200 ? json_loads(reply.body, 0, NULL) : NULL;
	if (!json)
		error_set(error, ERROR_SYSTEM, "what answers at %s is no echod of a kind we know",
			  far_end->control);
	client_reply_free(&reply);
	return json;
}

static struct told ask_counters(const struct far_end *far_end)
{
	json_t *stats = ask(far_end, "stats json", PATIENCE, NULL);
	const json_t *wait = json_object_get(stats, "queue_wait_seconds");
	const struct told told = {
		.wait_seconds = json_number_value(json_object_get(wait, "sum")),
		.wait_count = json_number_value(json_object_get(wait, "count")),
		.spin_misses = json_number_value(json_object_get(stats, "spin_misses")),
	};
	json_decref(stats);
	return told;
}

static void look_at_workers(struct far_end *far_end)
{
	far_end->asked++;
	json_t *reply = ask(far_end, "workers json", PATIENCE, NULL), *each;
	json_t *list = json_object_get(reply, "workers");
	if (json_array_size(list) == 0)
		far_end->silent++;
	size_t index, serving = 0;
	json_array_foreach(list, index, each)
	{
		const char *state = json_string_value(json_object_get(each, "state"));
		serving += state && strcmp(state, "serving") == 0;
	}
	if (json_array_size(list) > 0)
		far_end->busy += (double)serving / (double)json_array_size(list);
	json_decref(reply);
}

static uint64_t throttled(const struct far_end *far_end)
{
	uint64_t most = 0;
	for (size_t i = 0; i < far_end->server.count; i++) {
		uint64_t time = cpu_time_throttled(far_end->server.pid[i]);
		most = time > most ? time : most;
	}
	return most;
}

static void *watch(void *argument)
{
	struct far_end *far_end = argument;
	struct told then = {0};
	if (far_end->control)
		then = ask_counters(far_end);
	uint64_t held = throttled(far_end);
	processes_measure(&far_end->server, &far_end->before);
	struct random random = {.state = clock_now()};
	far_end->cpus = processes_cpus(&far_end->server);
	far_end->from = clock_now();
	while (!atomic_load(&far_end->stop)) {
		far_end->looks++;
		far_end->stopped += processes_stopped(&far_end->server);
		if (far_end->control)
			look_at_workers(far_end);
		if (far_end->distant)
			probe_step(&far_end->probe, clock_now());
		// Not in step with anything.
		const struct timespec pause = {.tv_nsec = (long)(random_share(&random) * 2 * LOOK)};
		nanosleep(&pause, NULL);
	}
	probe_end(&far_end->probe);
	processes_measure(&far_end->server, &far_end->after);
	far_end->lasted = clock_now() - far_end->from;
	far_end->throttled = throttled(far_end) - held;
	if (far_end->control) {
		const struct told now = ask_counters(far_end);
		far_end->told = (struct told){
			.wait_seconds = fmax(now.wait_seconds - then.wait_seconds, 0),
			.wait_count = fmax(now.wait_count - then.wait_count, 0),
			.spin_misses = fmax(now.spin_misses - then.spin_misses, 0),
		};
	}
	return NULL;
}

// Who answers at all targets together; nobody if that is not known of one of them.
static void find_answering(struct processes *answering, const struct load_config *config)
{
	*answering = (struct processes){0};
	for (size_t i = 0; i < config->target_count; i++) {
		struct processes one;
		processes_listening(&one, &config->targets[i]);
		if (one.count == 0) {
			answering->count = 0;
			return;
		}
		processes_unite(answering, &one);
	}
}

// Whether there is an echod at the control socket, and who it is.
static int find_server(struct far_end *far_end, const struct load_config *config,
		       struct error *error)
{
	struct processes answering;
	find_answering(&answering, config);
	far_end->server = answering;
	far_end->control = config->control;
	if (!config->control)
		return 0;
	json_t *reply = ask(far_end, "workers json", PATIENCE_FIRST, error);
	if (!reply)
		return -1;
	json_decref(reply);
	struct endpoint control;
	if (endpoint_from_path(config->control, &control, error) != 0)
		return -1;
	processes_listening(&far_end->server, &control);
	far_end->between = answering.count > 0 && far_end->server.count > 0 &&
			   !processes_overlap(&answering, &far_end->server);
	if (!far_end->between) // others may answer at some of the targets
		processes_unite(&far_end->server, &answering);
	return 0;
}

struct far_end *far_end_open(const struct load_config *config, struct error *error)
{
	struct far_end *far_end = calloc(1, sizeof(*far_end));
	if (!far_end) {
		error_set(error, ERROR_SYSTEM, "no memory");
		return NULL;
	}
	probe_init(&far_end->probe, config);
	if (find_server(far_end, config, error) == 0) {
		far_end->distant = !config->control && far_end->server.count == 0 &&
				   config->target_count == 1 &&
				   config->targets[0].as.any.sa_family != AF_UNIX;
		return far_end;
	}
	free(far_end);
	return NULL;
}

void far_end_free(struct far_end *far_end)
{
	free(far_end);
}

void far_end_begin(struct far_end *far_end)
{
	if (far_end->begun ||
	    (!far_end->control && far_end->server.count == 0 && !far_end->distant))
		return;
	far_end->begun =
		thread_start(&far_end->thread, "echoload/watch", watch, far_end, NULL) == 0;
}

void far_end_end(struct far_end *far_end)
{
	if (!far_end->begun || far_end->ended)
		return;
	atomic_store(&far_end->stop, true);
	pthread_join(far_end->thread, NULL);
	far_end->ended = true;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

// The thread of the server that had the most to do, of those that lived all the time.
static void view_threads(const struct far_end *far_end, struct far_end_view *view)
{
	for (size_t i = 0; i < far_end->after.count; i++) {
		const struct processes_thread *now = &far_end->after.thread[i];
		for (size_t k = 0; k < far_end->before.count; k++) {
			const struct processes_thread *then = &far_end->before.thread[k];
			if (then->tid != now->tid)
				continue;
			double busy = share(now->ran - then->ran, far_end->lasted);
			double waiting = share(now->waited - then->waited, far_end->lasted);
			if (busy + waiting > view->thread_busy + view->thread_waiting) {
				view->thread_busy = busy;
				view->thread_waiting = waiting;
			}
		}
	}
}

struct far_end_view far_end_view(const struct far_end *far_end)
{
	struct far_end_view view = {.between = far_end->between};
	if (!far_end->ended || far_end->lasted == 0)
		return view;
	if (far_end->before.count > 0 && far_end->after.count > 0) {
		view.process_known = true;
		view.cpu = share(far_end->after.ran - far_end->before.ran,
				 far_end->lasted * far_end->cpus);
		view.stopped = share(far_end->stopped, far_end->looks);
		view.throttled = share(far_end->throttled, far_end->lasted);
		view_threads(far_end, &view);
	}
	view.connect_round_trip = probe_median(&far_end->probe);
	view.connect_failure = far_end->probe.failure;
	view.silent = share(far_end->silent, far_end->asked);
	if (far_end->asked > far_end->silent) {
		view.workers_known = true;
		view.workers_busy = far_end->busy / (double)(far_end->asked - far_end->silent);
		view.workers_polling = far_end->told.spin_misses * SPIN / (double)far_end->lasted;
		view.queue_wait_mean =
			far_end->told.wait_count > 0
				? 1e9 * far_end->told.wait_seconds / far_end->told.wait_count
				: 0;
	}
	return view;
}
