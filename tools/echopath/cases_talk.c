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
#define BRIEF_TRIPS 25
#define RECOVERY (10 * NS_PER_S)

// Connects while the far end does not accept, which a direct client sees as `expected`.
static void connect_without_server(struct trial *trial, const char *how, int expected)
{
	struct path path = *trial->path;
	struct end *client = &trial->pair.client;
	path.timeout = trial->delay;
	if (far_listen(path.far, how))
		return;
	const char *why = path_connect(&path, client);
	client->wants_end = !why;
	(void)play(&trial->pair, 1, trial->delay);
	if (why)
		tell(trial, strcmp(why, connect_reason(expected)) ? VERDICT_CHANGED : VERDICT_KEPT,
		     "%s", why);
	else
		tell(trial, VERDICT_CHANGED, "accepted, then %s after %s", end_ending(client),
		     UNITS_DURATION(client->ending ? client->quiet : trial->delay));
	pair_close(&trial->pair);
	(void)far_listen(path.far, "accept");
	(void)path_recover(trial->path, &trial->pair, RECOVERY);
}

void server_refused(struct trial *trial)
{
	connect_without_server(trial, "refuse", ECONNREFUSED);
}

void server_dead(struct trial *trial)
{
	connect_without_server(trial, "dead", CONNECT_LATE);
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
	if (trial_open_with(trial, HELLO_NEVER) && trial_silence(trial, trial->delay))
		trial_pass(trial, trial->first, trial->other);
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

// Twice, as another port may be the same one by chance.
void address_source(struct trial *trial)
{
	char text[ADDRESS_TEXT_SIZE];
	const char *peer = trial->pair.server.peer;
	for (int i = 0; i < 2 && trial->verdict == VERDICT_KEPT && trial_open(trial); i++) {
		struct endpoint ours = {.length = sizeof(ours.as)};
		(void)getsockname(trial->pair.client.fd, &ours.as.any, &ours.length);
		const union inet_end from = inet_end_from(&ours);
		inet_end_format(&from, text);
		size_t host = (size_t)(strrchr(text, ':') - text) + 1;
		if (strncmp(peer, text, host) != 0)
			tell(trial, VERDICT_CHANGED, "into %s", peer);
		else if (strcmp(peer, text) != 0)
			tell(trial, VERDICT_CHANGED, "into another port of the same address");
		pair_close(&trial->pair);
	}
}

void connect_burst(struct trial *trial)
{
	static struct pair pairs[BURST];
	unsigned connected = 0, answered = 0;
	uint64_t start = clock_now();
	const char *why = path_open_pairs(trial->path, pairs, BURST, HELLO_FIRST);
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
		connected += pairs[i].server.accepted;
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

// The median time, in ns, from the first of the pieces of one byte, `count` of them, to the answer,
// which the far end gives by itself.
static uint64_t measure(struct trial *trial)
{
	uint64_t times[TRIPS] = {0};
	struct end *client = &trial->pair.client, *server = &trial->pair.server;
	client->piece = 1;
	server->answers = trial->count;
	unsigned trips = trial->path->brief ? BRIEF_TRIPS : TRIPS;
	for (unsigned i = 0; i < trips && trial->verdict != VERDICT_BROKEN; i++) {
		uint64_t start = clock_now();
		end_put(client, server, trial->count);
		client->wanted++;
		trial_play(trial);
		times[i] = client->moved_at - start;
		judge(trial, server, ENDING_NONE);
		judge(trial, client, ENDING_NONE);
	}
	qsort(times, trips, sizeof(times[0]), compare_times);
	return times[trips / 2];
}

void delay(struct trial *trial)
{
	struct path straight = *trial->path;
	straight.connect = NULL;
	straight.target = straight.far->endpoint;
	struct trial direct = {.path = &straight, .count = trial->count};
	uint64_t without = trial_open(&direct) ? measure(&direct) : 0;
	pair_close(&direct.pair);
	if (!trial_open(trial))
		return;
	uint64_t with = measure(trial);
	if (direct.verdict == VERDICT_BROKEN) // a firewall may be in the way
		tell(trial, VERDICT_INFO, "median %s; directly %s", UNITS_DURATION(with),
		     direct.seen);
	else
		tell(trial, VERDICT_INFO, "median %s, %s more than directly", UNITS_DURATION(with),
		     UNITS_DURATION(with > without ? with - without : 0));
}
