// Half-closes, FIN and reset.
#include "base/clock.h"
#include "base/units.h"
#include "trial.h"

#define REQUEST 1000
#define MANY 50
#define SOON (200 * NS_PER_MS)

// `from` sends bytes and FIN after them.
static void put_and_fin(struct end *from, struct end *to, uint64_t count)
{
	end_put(from, to, count);
	from->fin = to->wants_end = true;
}

// The other sends bytes and its own FIN when the delay has passed since it has seen an end.
static void put_answer(const struct trial *trial, struct end *from, struct end *to)
{
	from->waits = true;
	from->pause = trial->delay;
	put_and_fin(from, to, trial->count);
}

void half_close(struct trial *trial)
{
	struct end *first = trial->first, *other = trial->other;
	if (!trial_open(trial))
		return;
	put_and_fin(first, other, REQUEST);
	put_answer(trial, other, first);
	(void)play(&trial->pair, 1, trial->path->timeout + trial->delay);
	judge(trial, other, ENDING_FIN);
	if (other->ending == ENDING_FIN && first->ending != ENDING_NONE && first->received == 0)
		tell(trial, VERDICT_BROKEN, "%s got %s %s after its FIN, before the answer",
		     first->name, end_ending(first), UNITS_DURATION(first->quiet));
	else if (other->ending == ENDING_FIN)
		judge(trial, first, ENDING_FIN);
}

void half_close_many(struct trial *trial)
{
	static struct pair pairs[MANY];
	struct trial worst = {0};
	const char *why = path_open_pairs(trial->path, pairs, MANY, HELLO_FIRST);
	if (why)
		tell(&worst, VERDICT_BROKEN, "no connection: %s", why);
	for (unsigned i = 0; i < MANY; i++) {
		put_and_fin(&pairs[i].client, &pairs[i].server, REQUEST);
		put_answer(trial, &pairs[i].server, &pairs[i].client);
	}
	(void)play(pairs, MANY, trial->path->timeout + trial->delay);
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

// A connection that was reset may be somebody else's, such as a health check: the next is tried.
void fin_after_connect(struct trial *trial)
{
	struct pair *pair = &trial->pair;
	struct end *server = &pair->server, seen;
	pair_claim(pair, trial->path->far, true);
	play_for(pair, 1, 0);
	const char *why = path_connect(trial->path, &pair->client);
	pair->client.fin = server->wants_end = true;
	if (why)
		tell(trial, VERDICT_BROKEN, "no connection: %s", why);
	else if (!play(pair, 1, trial->path->timeout) && !server->accepted)
		tell(trial, VERDICT_CHANGED, "no connection reaches the server");
	uint64_t deadline = clock_deadline(SOON);
	for (seen = *server; server->ending == ENDING_RESET && clock_now() < deadline;) {
		pair_claim(pair, trial->path->far, true);
		server->wants_end = true;
		if (play(pair, 1, SOON))
			seen = *server;
	}
	if (seen.accepted)
		judge(trial, &seen, ENDING_FIN);
}

// Ends each connection that comes, until the client sees an end: a proxy may try again.
static void end_at_accept(struct trial *trial, void (*end)(struct end *end), enum ending expected)
{
	if (!trial_open_with(trial, HELLO_IF_LAZY))
		return;
	uint64_t deadline = clock_deadline(trial->path->timeout);
	trial->pair.client.wants_end = true;
	do {
		end(&trial->pair.server);
		if (play(&trial->pair, 1, 20 * NS_PER_MS))
			break;
		pair_claim(&trial->pair, trial->path->far, true);
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
	if (!trial_open(trial))
		return;
	client->to_send += trial->count;
	server->limit = server->wanted = 1; // the others stay unread
	if (!play(&trial->pair, 1, trial->path->timeout))
		tell(trial, VERDICT_BROKEN, "the client's bytes do not arrive");
	play_for(&trial->pair, 1, trial->delay);
	end_close(server);
	client->wants_end = true;
	trial_play(trial);
	judge(trial, client, ENDING_RESET);
}
