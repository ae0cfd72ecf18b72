#include "server_view.h"

#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "control/client.h"
#include "echoload/common/random.h"

#define SAMPLE_PAUSE (40 * NS_PER_MS) // between two samples, the mean
#define AT_REST_TIME (100 * NS_PER_MS)
#define FIND_TRIES 20
#define ANSWER_TIME (500 * NS_PER_MS) // for an answer of the control socket
#define FIRST_ANSWER_TIME (5 * NS_PER_S)

struct server_probe {
	const struct load_config *config;
	pthread_t thread;
	bool begun, ended; // of the main thread
	_Atomic bool stop;

	// The thread's, until server_probe_end.
	struct processes processes;
	struct processes_usage before, after;
	struct server_view view;
	double sent; // bytes, by the echod of the control socket; NAN: not known
};

// The JSON object that the control socket answers, NULL: none in time.
static json_t *ask(const struct server_probe *probe, const char *request, uint64_t timeout,
		   struct echod_error *error)
{
	struct client_reply reply;
	const char *control = probe->config->control;
	if (!control || client_ask(control, request, timeout, &reply, error) != 0)
		return NULL;
	json_t *json = reply.status == 200 ? json_loads(reply.body, 0, NULL) : NULL;
	if (!json)
		error_set(error, ECHOD_ERROR_SYSTEM,
			  "the program at %s is no echod of a known kind", control);
	client_reply_free(&reply);
	return json;
}

static double ask_bytes_sent(const struct server_probe *probe)
{
	json_t *stats = ask(probe, "stats json", ANSWER_TIME, NULL);
	double sent = stats ? json_number_value(json_object_get(stats, "bytes_sent")) : NAN;
	json_decref(stats);
	return sent;
}

// The share of echod's workers that serve a connection; NAN: not known.
static double ask_workers_busy(const struct server_probe *probe)
{
	json_t *reply = ask(probe, "workers json", ANSWER_TIME, NULL), *each;
	json_t *list = json_object_get(reply, "workers");
	double count = (double)json_array_size(list);
	size_t index, serving = 0;
	json_array_foreach(list, index, each)
	{
		const char *state = json_string_value(json_object_get(each, "state"));
		serving += state && strcmp(state, "serving") == 0;
	}
	json_decref(reply);
	return count > 0 ? (double)serving / count : NAN;
}

static struct processes processes_now(const struct server_probe *probe)
{
	return processes_of(probe->config, 0, probe->config->target_count);
}

// Finds the processes once the server has accepted all connections, as then they are twice the
// same. It may stand still, or fork. False: the probe was stopped before that could be seen.
static bool find_all(struct server_probe *probe)
{
	struct processes now = processes_now(probe);
	unsigned tries = 0;
	for (; tries < FIND_TRIES && !atomic_load(&probe->stop); tries++) {
		probe->processes = now;
		nanosleep(&(struct timespec){.tv_nsec = (long)SAMPLE_PAUSE}, NULL);
		now = processes_now(probe);
		if (now.count > 0 && processes_same(&probe->processes, &now))
			return true;
	}
	probe->processes.count = 0;
	return tries == FIND_TRIES;
}

static void *take_samples(void *argument)
{
	struct server_probe *probe = argument;
	struct server_view *view = &probe->view;
	struct random random = {.state = clock_now()};
	double samples = 0, stopped = 0, answers = 0, busy = 0, sent = ask_bytes_sent(probe);
	bool searched = find_all(probe);
	processes_measure(&probe->processes, &probe->before);
	do {
		// First, as one that is stopped answers once it no longer is.
		stopped += processes_stopped(&probe->processes);
		samples++;
		double share = ask_workers_busy(probe);
		answers += !isnan(share);
		busy += isnan(share) ? 0 : share;
		// Not in step with anything.
		double pause = random_share(&random) * 2 * SAMPLE_PAUSE;
		nanosleep(&(struct timespec){.tv_nsec = (long)pause}, NULL);
	} while (!atomic_load(&probe->stop));
	processes_measure(&probe->processes, &probe->after);
	probe->sent = ask_bytes_sent(probe) - sent;
	view->workers_busy = busy / answers; // NAN without answers
	const struct processes now = processes_now(probe);
	// Visits may all have ended by now.
	view->changed = searched && now.count > 0 && !processes_same(&probe->processes, &now);
	if (probe->processes.count == 0 || view->changed)
		return NULL;
	view->load = processes_load(&probe->before, &probe->after);
	view->stopped = stopped / samples;
	return NULL;
}

struct server_probe *server_probe_open(const struct load_config *config, struct echod_error *error)
{
	struct server_probe *probe = calloc(1, sizeof(*probe));
	if (!probe) {
		error_set(error, ECHOD_ERROR_SYSTEM, "no memory");
		return NULL;
	}
	probe->config = config;
	probe->view = SERVER_VIEW_UNKNOWN;
	probe->sent = NAN;
	json_t *reply = ask(probe, "workers json", FIRST_ANSWER_TIME, error);
	json_decref(reply);
	if (reply || !config->control)
		return probe;
	free(probe);
	return NULL;
}

void server_probe_free(struct server_probe *probe)
{
	free(probe);
}

void server_probe_begin(struct server_probe *probe)
{
	probe->begun = probe->begun || thread_start(&probe->thread, "echoload/probe", take_samples,
						    probe, NULL) == 0;
}

void server_probe_end(struct server_probe *probe)
{
	if (!probe->begun || probe->ended)
		return;
	atomic_store(&probe->stop, true);
	pthread_join(probe->thread, NULL);
	probe->ended = true;
}

double server_probe_at_rest(struct server_probe *probe)
{
	processes_measure(&probe->processes, &probe->before);
	nanosleep(&(struct timespec){.tv_nsec = (long)AT_REST_TIME}, NULL);
	processes_measure(&probe->processes, &probe->after);
	return processes_load(&probe->before, &probe->after).busy;
}

struct server_view server_probe_view(const struct server_probe *probe, uint64_t bytes)
{
	struct server_view view = probe->view;
	double sent = probe->sent * (double)probe->config->target_count;
	view.other = sent < (double)bytes / 2;
	if (!(sent >= (double)bytes / 2))
		view.workers_busy = NAN;
	return view;
}
