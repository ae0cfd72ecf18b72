// Bytes: how they are cut, held back, mixed, and marked as urgent.
#include "base/clock.h"
#include "base/units.h"
#include "trial.h"

#define WINDOW (500 * NS_PER_MS)
#define TRICKLE (64 << 10) // less than this in a window: the path is full
#define MOST_WINDOWS 10
#define AWHILE (200 * NS_PER_MS) // in which an urgent byte may follow

// Both send the bytes of the row. They read nothing for the delay; then all must arrive.
static void pass_both(struct trial *trial)
{
	struct end *first = trial->first, *other = trial->other;
	end_put(first, other, trial->count);
	end_put(other, first, trial->count);
	if (trial->delay > 0) {
		first->limit = other->limit = 0;
		play_for(&trial->pair, 1, trial->delay);
		first->limit = other->limit = UINT64_MAX;
	}
	trial_play(trial);
	judge(trial, other, ENDING_NONE);
	judge(trial, first, ENDING_NONE);
}

void data_one_byte_pieces(struct trial *trial)
{
	if (!trial_open(trial))
		return;
	trial->first->piece = trial->other->piece = 1;
	pass_both(trial);
}

void data_both_ways(struct trial *trial)
{
	if (!trial_open(trial))
		return;
	uint64_t start = clock_now();
	pass_both(trial);
	tell(trial, VERDICT_KEPT, "%s each way in %s", UNITS_SIZE(trial->count),
	     UNITS_DURATION(clock_now() - start));
}

void data_write_first(struct trial *trial)
{
	if (trial_open(trial))
		pass_both(trial);
}

// The first end reads nothing, and the other sends until the path is full: a kernel whose peer's
// window is closed still sends a little. Then bytes go the other way.
void data_never_reading(struct trial *trial)
{
	struct end *reader = trial->first, *sender = trial->other;
	if (!trial_open(trial))
		return;
	uint64_t begin = sender->sent, before;
	unsigned windows = 0;
	reader->limit = 0;
	sender->to_send += trial->count;
	do {
		before = sender->sent;
		play_for(&trial->pair, 1, WINDOW);
	} while (sender->sent - before >= TRICKLE && ++windows < MOST_WINDOWS);
	const char *least = sender->sent == sender->to_send ? "at least " : "";
	sender->mute = true;
	trial_pass(trial, reader, sender);
	tell(trial, VERDICT_KEPT, "%s%s held", least, UNITS_SIZE(sender->sent - begin));
}

// Three bytes, of which the second is urgent: it counts neither as received nor as plain.
void data_urgent(struct trial *trial)
{
	struct end *client = &trial->pair.client, *server = &trial->pair.server;
	if (!trial_open(trial))
		return;
	client->urgent = server->urgent = true;
	client->piece = 1;
	client->to_send = 3;
	server->wanted = 2;
	trial_play(trial);
	if (server->received != 2 || !server->got_urgent)
		play_for(&trial->pair, 1, AWHILE);
	int plain = (int)server->received;
	bool urgent = server->got_urgent;
	if (client->sent < 3 || plain + urgent < 2 || plain > 3 || (urgent && plain != 2))
		tell(trial, VERDICT_BROKEN, "server got %d plain bytes of 2", plain);
	else if (plain + urgent == 2)
		tell(trial, VERDICT_BROKEN, "the urgent byte is lost");
	else if (!urgent)
		tell(trial, VERDICT_CHANGED, "into a plain byte");
}
