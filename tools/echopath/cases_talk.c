// Servers that do not answer, silence, addresses, many connections, and delays.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/units.h"
#include "net/connect.h"
#include "trial.h"

#define BURST 200
#define TRIPS 100

// Connects while the listener is closed, or does not answer, which a direct client sees as
// `expected`. Then it listens as before.
static void connect_without_server(struct trial *trial, int expected)
{
	struct echod_error error;
	struct path path = *trial->path;
	struct end *client = &trial->pair.client;
	path.timeout = trial->delay;
	const char *why = path_connect(&path, client);
	uint64_t start = clock_now();
	client->wants_end = !why;
	(void)play(&trial->pair, 1, trial->delay);
	if (why)
		tell(trial, strcmp(why, connect_reason(expected)) ? VERDICT_CHANGED : VERDICT_KEPT,
		     "%s", why);
	else
		tell(trial, VERDICT_CHANGED, "accepted, then %s after %s", end_ending(client),
		     UNITS_DURATION(client->ending ? client->ended_at - start : trial->delay));
	pair_close(&trial->pair);
	listener_close(path.listener);
	if (path_listen(&path, PATH_BACKLOG, &error) != 0)
		tell(trial, VERDICT_BROKEN, "%.150s", error.message);
}

void server_refused(struct trial *trial)
{
	listener_close(trial->path->listener);
	connect_without_server(trial, ECONNREFUSED);
}

// Linux drops a SYN if the queue of the listener is full; a queue of 0 has room for one.
void server_dead(struct trial *trial)
{
	struct pair filler;
	struct echod_error error;
	struct path path = *trial->path;
	path.connect = NULL;
	path.target = path.listener->endpoint;
	pair_init(&filler);
	listener_close(path.listener);
	if (path_listen(&path, 0, &error) != 0 || path_connect(&path, &filler.client))
		tell(trial, VERDICT_BROKEN, "the server cannot be made to look dead");
	connect_without_server(trial, CONNECT_LATE);
	pair_close(&filler);
}

void server_silent(struct trial *trial)
{
	if (!trial_open(trial))
		return;
	trial_pass(trial, trial->first, trial->other);
	if (trial_silence(trial, trial->delay))
		trial_pass(trial, trial->other, trial->first);
}

// The first end speaks; nothing has come before it, even if the proxy is lazy.
void talk(struct trial *trial)
{
	const struct path *whole = trial->path;
	struct path path = *whole;
	path.lazy = false;
	trial->path = &path;
	if (trial_open(trial) && trial_silence(trial, trial->delay))
		trial_pass(trial, trial->first, trial->other);
	trial->path = whole;
}

void idle_65s(struct trial *trial)
{
	if (!trial_open(trial))
		return;
	trial_exchange(trial);
	if (!trial_silence(trial, trial->delay))
		return;
	trial_exchange(trial);
}

void address_source(struct trial *trial)
{
	char text[ADDRESS_TEXT_SIZE];
	struct endpoint ours = {.length = sizeof(ours.as)}, seen = {.length = sizeof(seen.as)};
	if (!trial_open(trial))
		return;
	(void)getsockname(trial->pair.client.fd, &ours.as.any, &ours.length);
	(void)getpeername(trial->pair.server.fd, &seen.as.any, &seen.length);
	const union inet_end from = inet_end_from(&ours), to = inet_end_from(&seen);
	if (!inet_end_same_address(&from, &to))
		tell(trial, VERDICT_CHANGED, "into %s", inet_end_format(&to, text));
	else if (from.v4.sin_port != to.v4.sin_port) // sin6_port stands in the same place
		tell(trial, VERDICT_CHANGED, "into another port of the same address");
}

void connect_burst(struct trial *trial)
{
	static struct pair pairs[BURST];
	unsigned connected = 0, answered = 0;
	uint64_t start = clock_now();
	const char *why = path_open_pairs(trial->path, pairs, BURST);
	for (int way = 0; way < 2 && !why; way++) {
		for (unsigned i = 0; i < BURST; i++)
			end_put(way ? &pairs[i].server : &pairs[i].client,
				way ? &pairs[i].client : &pairs[i].server, trial->count);
		(void)play(pairs, BURST, trial->path->timeout);
	}
	uint64_t time = clock_now() - start;
	for (unsigned i = 0; i < BURST; i++) {
		struct trial one = {0};
		judge(&one, &pairs[i].client, ENDING_NONE);
		answered += one.verdict == VERDICT_KEPT;
		connected += pairs[i].server.fd >= 0;
		pair_close(&pairs[i]);
	}
	if (why)
		tell(trial, VERDICT_BROKEN, "%u of %d connections, then: %s", connected, BURST,
		     why);
	else
		tell(trial, answered == BURST ? VERDICT_KEPT : VERDICT_BROKEN,
		     "%u of %d answered in %s", answered, BURST, UNITS_DURATION(time));
}

static int compare_times(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

// The median time, in ns, from the first of the pieces of one byte, `count` of them, to the answer.
static uint64_t measure(struct trial *trial)
{
	uint64_t times[TRIPS] = {0};
	struct end *client = &trial->pair.client, *server = &trial->pair.server;
	client->piece = 1;
	for (unsigned i = 0; i < TRIPS && trial->verdict != VERDICT_BROKEN; i++) {
		uint64_t start = clock_now();
		end_put(client, server, trial->count);
		trial_play(trial);
		end_put(server, client, 1);
		trial_play(trial);
		times[i] = clock_now() - start;
		judge(trial, server, ENDING_NONE);
		judge(trial, client, ENDING_NONE);
	}
	qsort(times, TRIPS, sizeof(times[0]), compare_times);
	return times[TRIPS / 2];
}

void delay(struct trial *trial)
{
	struct path straight = *trial->path;
	straight.connect = NULL;
	straight.lazy = false;
	straight.target = straight.listener->endpoint;
	struct trial direct = {.path = &straight, .count = trial->count};
	uint64_t without = trial_open(&direct) ? measure(&direct) : 0;
	pair_close(&direct.pair);
	if (!trial_open(trial))
		return;
	uint64_t with = measure(trial);
	tell(trial, direct.verdict == VERDICT_BROKEN ? VERDICT_BROKEN : VERDICT_INFO,
	     "median %s, %s more than directly", UNITS_DURATION(with),
	     UNITS_DURATION(with > without ? with - without : 0));
}
