// Bytes: how they are cut, held back, mixed, and marked as urgent.
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/units.h"
#include "trial.h"

#define WINDOW (500 * NS_PER_MS)
#define TRICKLE (64 << 10) // less than this in a window: the path is full
#define MOST_WINDOWS 10

// Both send the bytes of the row. They read nothing for the delay; then all must arrive.
static void pass_both(struct trial *trial)
{
	struct end *first = trial->first, *other = trial->other;
	end_put(first, other, trial->count);
	end_put(other, first, trial->count);
	if (trial->delay > 0) {
		first->deaf = other->deaf = true;
		play_for(&trial->pair, 1, trial->delay);
		first->deaf = other->deaf = false;
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
	reader->deaf = true;
	sender->to_send += trial->count;
	do {
		before = sender->sent;
		play_for(&trial->pair, 1, WINDOW);
	} while (sender->sent - before >= TRICKLE && ++windows < MOST_WINDOWS);
	const char *least = sender->sent == sender->to_send ? "at least " : "";
	sender->to_send = sender->sent;
	trial_pass(trial, reader, sender);
	tell(trial, VERDICT_KEPT, "%s%s held", least, UNITS_SIZE(sender->sent - begin));
}

// Counts the plain bytes that come, until two have come and an urgent one, or nothing more comes.
static int receive_urgent(int fd, uint64_t timeout, bool *urgent)
{
	int count = 0;
	char bytes[8];
	struct pollfd ready = {.fd = fd, .events = POLLIN | POLLPRI};
	while ((count < 2 || !*urgent) &&
	       poll(&ready, 1, clock_poll_timeout(clock_deadline(timeout))) > 0) {
		*urgent |= recv(fd, bytes, 1, MSG_OOB | MSG_DONTWAIT) == 1;
		ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (got == 0 || ready.revents & (POLLERR | POLLHUP))
			break;
		count += got > 0 ? (int)got : 0;
		if (count >= 2)
			timeout = NS_PER_S / 5;
	}
	return count;
}

void data_urgent(struct trial *trial)
{
	bool urgent = false;
	if (!trial_open(trial))
		return;
	int fd = trial->pair.client.fd;
	bool sent = send(fd, "a", 1, MSG_NOSIGNAL) == 1 &&
		    send(fd, "b", 1, MSG_NOSIGNAL | MSG_OOB) == 1 &&
		    send(fd, "c", 1, MSG_NOSIGNAL) == 1;
	int plain = receive_urgent(trial->pair.server.fd, trial->path->timeout, &urgent);
	if (!sent || plain + urgent < 2 || plain + urgent > 3 || (urgent && plain < 2))
		tell(trial, VERDICT_BROKEN, "server got %d plain bytes of 2", plain);
	else if (plain + urgent == 2)
		tell(trial, VERDICT_BROKEN, "the urgent byte is lost");
	else if (!urgent)
		tell(trial, VERDICT_CHANGED, "into a plain byte");
}
