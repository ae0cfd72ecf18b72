// An echo turn on a socketpair: recv, send, poll and SIOCOUTQ are the kernel's until a script says
// otherwise; time is made up and moves only where a turn waits. The test wraps recv, send, poll,
// ioctl and clock_gettime. Main thread.
#ifndef ECHOD_UNIT_PLAYED_H
#define ECHOD_UNIT_PLAYED_H

#include <sys/socket.h>

#include "base/clock.h"
#include "echo/turn.h"

#define PLAYED_TIMEOUT (100 * NS_PER_MS) // --send-timeout
#define PLAYED_BUFFER 4096		 // --buffer-size

// What the next calls do: `error` fails them, else `limit` bytes at most go through. The step after
// the last is all zero; from there on the kernel decides.
struct step {
	int error;
	size_t limit;
	unsigned times; // 0: once
};

struct script {
	const struct step *next;
	unsigned done;	// of next->times
	unsigned calls; // in all
};

struct played {
	struct script recv;
	struct script send;
	uint64_t now; // of the made-up clock; 0: the real one
	unsigned polls;
	bool always_writable;	     // what poll says
	void (*while_waiting)(void); // what happens while the turn sleeps in poll
	int unread; // what SIOCOUTQ says, a byte less each time down to 1; 0: the truth

	int pair[2]; // the turn's end, the peer's end
	struct conn conn;
	struct thread_stats stats;
	struct cut cut;
};

extern struct played played;

// The setup and the teardown of each test.
int played_begin(void **state);
int played_finish(void **state);

#define TURN(test) cmocka_unit_test_setup_teardown(test, played_begin, played_finish)

// Runs a turn to its end on this thread; returns why it ended.
enum close_reason run_turn(void);

uint64_t counted(enum counter counter);

// The peer sends `size` bytes that fit into the socket's buffer, and closes its side if it `ends`.
void peer_says(size_t size, bool ends);

// What has come back is the first `size` bytes of what was sent, and all was counted.
void expect_echo(uint64_t received, size_t size);

// send as it was before it was wrapped.
ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);

#endif
