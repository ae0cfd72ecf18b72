// Half-closes, FIN and reset.
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/units.h"
#include "trial.h"

#define REQUEST 1000
#define MANY 50

// `from` sends bytes and FIN after them.
static void put_and_fin(struct end *from, struct end *to, uint64_t count)
{
	end_put(from, to, count);
	from->fin = to->wants_end = true;
}

// The first end sends its FIN, and after the delay the other sends bytes and its own.
void half_close(struct trial *trial)
{
	struct end *first = trial->first, *other = trial->other;
	if (!trial_open(trial))
		return;
	uint64_t start = clock_now();
	put_and_fin(first, other, REQUEST);
	trial_play(trial);
	judge(trial, other, ENDING_FIN);
	if (other->ending != ENDING_FIN)
		return;
	play_for(&trial->pair, 1, trial->delay);
	if (first->ending != ENDING_NONE) {
		tell(trial, VERDICT_BROKEN, "%s got %s %s after its FIN, before the answer",
		     first->name, end_ending(first), UNITS_DURATION(first->ended_at - start));
		return;
	}
	put_and_fin(other, first, trial->count);
	trial_play(trial);
	judge(trial, first, ENDING_FIN);
}

// Each server answers when the delay has passed since its FIN came.
static void answer_all(const struct trial *trial, struct pair *pairs)
{
	unsigned answered = 0;
	uint64_t deadline = clock_deadline(trial->path->timeout + trial->delay);
	while (answered < MANY && clock_now() < deadline) {
		play_for(pairs, MANY, 5 * NS_PER_MS);
		for (unsigned i = 0; i < MANY; i++) {
			struct end *server = &pairs[i].server;
			if (server->fin || server->ending == ENDING_NONE ||
			    clock_now() < server->ended_at + trial->delay)
				continue;
			put_and_fin(server, &pairs[i].client, trial->count);
			answered++;
		}
	}
	(void)play(pairs, MANY, trial->path->timeout);
}

void half_close_many(struct trial *trial)
{
	static struct pair pairs[MANY];
	struct trial worst = {0};
	const char *why = path_open_pairs(trial->path, pairs, MANY);
	for (unsigned i = 0; i < MANY && !why; i++)
		put_and_fin(&pairs[i].client, &pairs[i].server, REQUEST);
	if (why)
		tell(&worst, VERDICT_BROKEN, "no connection: %s", why);
	else
		answer_all(trial, pairs);
	unsigned kept = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct trial one = {0};
		judge(&one, &pairs[i].server, ENDING_FIN);
		judge(&one, &pairs[i].client, ENDING_FIN);
		kept += one.verdict == VERDICT_KEPT;
		tell(&worst, one.verdict, "%s", one.seen);
		pair_close(&pairs[i]);
	}
	tell(trial, worst.verdict, "%u of %u%s%.120s", kept, MANY, *worst.seen ? "; " : "",
	     worst.seen);
}

void fin_with_last_bytes(struct trial *trial)
{
	struct end *first = trial->first, *other = trial->other;
	for (int i = 0; i < 2 && trial_open(trial); i++) {
		first->fin_with_last = true;
		put_and_fin(first, other, trial->count);
		trial_play(trial);
		judge(trial, other, ENDING_FIN);
		pair_close(&trial->pair);
		first = trial->other;
		other = trial->first;
	}
}

void fin_after_connect(struct trial *trial)
{
	struct pair *pair = &trial->pair;
	const char *why = path_connect(trial->path, &pair->client);
	pair->client.fin = pair->server.wants_end = true;
	trial_play(trial);
	if (why)
		tell(trial, VERDICT_BROKEN, "no connection: %s", why);
	else if (!path_accept(trial->path, &pair->server, trial->path->timeout))
		tell(trial, VERDICT_CHANGED, "no connection reaches the server");
	if (pair->server.fd < 0)
		return;
	trial_play(trial);
	judge(trial, &pair->server, ENDING_FIN);
}

// Ends each connection that comes, until the client sees an end: a proxy may try again.
static void end_at_accept(struct trial *trial, void (*end)(struct end *end), enum ending expected)
{
	if (!trial_open(trial))
		return;
	uint64_t deadline = clock_deadline(trial->path->timeout);
	trial->pair.client.wants_end = true;
	do {
		end(&trial->pair.server);
		if (play(&trial->pair, 1, 20 * NS_PER_MS))
			break;
		(void)path_accept(trial->path, &trial->pair.server, 0);
	} while (clock_now() < deadline);
	judge(trial, &trial->pair.client, expected);
}

void fin_at_accept(struct trial *trial)
{
	end_at_accept(trial, end_close, ENDING_FIN);
}

void reset_at_accept(struct trial *trial)
{
	end_at_accept(trial, end_reset, ENDING_RESET);
}

void reset_idle(struct trial *trial)
{
	if (!trial_open(trial))
		return;
	trial_exchange(trial);
	if (!trial_silence(trial, trial->delay))
		return;
	end_reset(trial->first);
	trial->other->wants_end = true;
	trial_play(trial);
	judge(trial, trial->other, ENDING_RESET);
}

void reset_unread_data(struct trial *trial)
{
	struct end *client = &trial->pair.client, *server = &trial->pair.server;
	int unread = 0;
	if (!trial_open(trial))
		return;
	uint64_t deadline = clock_deadline(trial->path->timeout);
	client->to_send += trial->count;
	server->deaf = true;
	while (unread < (int)trial->count && clock_now() < deadline) {
		play_for(&trial->pair, 1, 2 * NS_PER_MS);
		(void)ioctl(server->fd, FIONREAD, &unread);
	}
	if (unread < (int)trial->count)
		tell(trial, VERDICT_BROKEN, "the client's bytes do not arrive");
	play_for(&trial->pair, 1, trial->delay);
	end_close(server);
	client->wants_end = true;
	trial_play(trial);
	judge(trial, client, ENDING_RESET);
}
