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

// A script, valid until the end of the block.
#define STEPS(...) ((const struct step[]){__VA_ARGS__, {0}})

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
	void (*before_recv)(void);   // and before each recv
	int unread;    // what SIOCOUTQ says, a byte less each time down to 1; 0: the kernel's
	int flags;     // of the last recv
	size_t said;   // by the peer
	size_t echoed; // to the peer, and read by it

	int pair[2]; // the turn's end, the peer's end
	struct conn conn;
	struct thread_stats stats;
	struct echo echo;
	struct pool pool; // one worker, no thread
	struct worker worker;
};

extern struct played played;

// The fixture of each test.
void played_begin(void);
void played_finish(void);

// From now on the worker waits no longer than that; until then without end.
void play_with_patience(uint64_t patience);

// Run a turn to its end on this thread: any; one that ends so; one that ends the connection, and
// why.
struct turn run_any_turn(void);
void expect_end(enum turn_end end);
enum close_reason run_turn(void);

uint64_t played_time(void); // since the test began, ns, made up
uint64_t counted(enum counter counter);

// The peer sends `size` bytes that fit into the socket's buffer, and closes its side if it `ends`.
void peer_says(size_t size, bool ends);

// The peer reads at most so many bytes of its echo, and checks them. Returns how many.
size_t peer_reads(size_t most);

// The turn's socket takes a few KiB and then no more, as the peer does not read.
void narrow_socket(void);

// What has come back is the first `size` bytes of what was sent, and all was counted. The peer
// reads what it has not read yet.
void expect_echo(uint64_t received, size_t size);

// The peer sends `size` bytes and ends; all come back, and the turn ends as it does.
void expect_all_echoed(size_t size);

// A connection that waits in the queue; and takes it out.
void queue_other(void);
void take_other(void);

size_t bytes_waiting(void); // in the kernel, for the turn
ssize_t __real_socket_send(int fd, const void *bytes, size_t length, int flags);

#endif
