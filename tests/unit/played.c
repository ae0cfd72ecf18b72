// An echo turn on a socketpair whose recv, send, poll and time are as a test says. Main thread.
#include "played.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "peer.h"
#include "test.h"

#define BEGINNING (1000 * NS_PER_S) // of the made-up time

struct played played;

// What the next call does: 0 and `length` made shorter, or an errno.
static int next_step(struct script *script, size_t *length) {
	script->calls++;
	const struct step *step = script->next;
	if (!step)
		return 0;
	if (step->limit && *length > step->limit)
		*length = step->limit;
	if (++script->done >= (step->times ? step->times : 1)) {
		script->done = 0;
		script->next = step[1].error || step[1].limit ? step + 1 : NULL;
	}
	return step->error;
}

WRAP(ssize_t, socket_receive, (int fd, void *bytes, size_t length, int flags)) {
	assert_int_equal(fd, played.pair[0]);
	played.flags = flags;
	if (played.before_recv)
		played.before_recv();
	errno = next_step(&played.recv, &length);
	return errno ? -1 : __real_socket_receive(fd, bytes, length, flags);
}

WRAP(ssize_t, socket_send, (int fd, const void *bytes, size_t length, int flags)) {
	assert_int_equal(fd, played.pair[0]);
	assert_true(flags & MSG_NOSIGNAL);
	errno = next_step(&played.send, &length);
	return errno ? -1 : __real_socket_send(fd, bytes, length, flags);
}

WRAP(int, poll, (struct pollfd fds[], nfds_t count, int timeout)) {
	if (played.now == 0)
		return __real_poll(fds, count, timeout);
	played.polls++;
	assert_true(timeout >= 0 && timeout <= (int)(PLAYED_TIMEOUT / NS_PER_MS) &&
		    played.polls < 10000);
	if (played.while_waiting)
		played.while_waiting();
	bool writable = played.always_writable && count > 1; // not the abort alone
	int ready = writable ? 1 : __real_poll(fds, count, 0);
	if (ready == 0)
		played.now += (uint64_t)timeout * NS_PER_MS;
	return ready;
}

WRAP(int, ioctl, (int fd, unsigned long request, int *bytes)) {
	if (played.unread == 0 || request != SIOCOUTQ)
		return __real_ioctl(fd, request, bytes);
	*bytes = played.unread > 1 ? played.unread-- : 1;
	return 0;
}

WRAP(int, clock_gettime, (clockid_t id, struct timespec *time)) {
	if (played.now == 0)
		return __real_clock_gettime(id, time);
	*time = (struct timespec){(time_t)(played.now / NS_PER_S), (long)(played.now % NS_PER_S)};
	return 0;
}

void play_with_patience(uint64_t patience) { played.pool.config.patience = patience; }

static char buffer[PLAYED_BUFFER];

void played_begin(void) {
	played = (struct played){
		.now = BEGINNING,
		.echo = {.unsent_limit = UINT64_C(1) << 20},
		.pool = {.config = {.workers = 1,
				    .buffer_size = sizeof(buffer),
				    .send_timeout = PLAYED_TIMEOUT},
			 .dedicated_max = 1},
		.worker = {.id = 1, .pool = &played.pool, .stats = &played.stats, .buffer = buffer},
	};
	work_queue_init(&played.pool.queue, 10, 1, 1, 1, NULL);
	play_with_patience(CLOCK_NEVER);
	assert_false(waker_open(&played.echo.abort_waker, NULL) != 0 ||
		     parking_lot_open(&played.pool.lot, NS_PER_S, CLOCK_NEVER, NULL) != 0 ||
		     socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, played.pair) != 0);
	played.conn.origin.fd = played.conn.work.fd = played.pair[0];
}

void played_finish(void) {
	played.now = 0;
	parking_lot_forget(&played.pool.lot, &played.conn.work);
	parking_lot_close(&played.pool.lot);
	unsent_drop(&played.echo, &played.conn);
	assert_int_equal(played.echo.unsent, 0);
	assert_int_equal(played.pool.queue.waiting, 0);
	assert_int_equal(played.pool.polling, 0);
	work_queue_destroy(&played.pool.queue);
	close(played.pair[0]);
	close(played.pair[1]);
	waker_close(&played.echo.abort_waker);
}

struct turn run_any_turn(void) {
	played.worker.now = played.now;
	return echo_turn(&played.conn, &played.worker, &played.echo);
}

enum close_reason run_turn(void) {
	struct turn turn = run_any_turn();
	assert_int_equal(turn.end, TURN_CLOSE);
	return turn.reason;
}

void expect_end(enum turn_end end) { assert_int_equal(run_any_turn().end, end); }

uint64_t played_time(void) { return played.now - BEGINNING; }

uint64_t counted(enum counter counter) { return atomic_load(&played.stats.counter[counter]); }

void peer_says(size_t size, bool ends) {
	static char bytes[65536];
	pattern_fill(1, played.said, bytes, size);
	assert_int_equal(write(played.pair[1], bytes, size), size);
	played.said += size;
	if (ends)
		assert_int_equal(shutdown(played.pair[1], SHUT_WR), 0);
}

size_t peer_reads(size_t most) {
	static char bytes[65536], expected[sizeof(bytes)];
	assert_true(most <= sizeof(bytes));
	ssize_t got = __real_socket_receive(played.pair[1], bytes, most, MSG_DONTWAIT);
	size_t count = got > 0 ? (size_t)got : 0;
	pattern_fill(1, played.echoed, expected, count);
	assert_memory_equal(bytes, expected, count);
	played.echoed += count;
	return count;
}

void narrow_socket(void) {
	const int small = 4608;
	setsockopt(played.pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
}

void expect_echo(uint64_t received, size_t size) {
	while (peer_reads(65536) > 0)
		;
	assert_int_equal(played.echoed, size);
	assert_int_equal(played.conn.bytes_received, received);
	assert_int_equal(played.conn.bytes_sent, size);
	assert_int_equal(counted(COUNTER_bytes_received), received);
	assert_int_equal(counted(COUNTER_bytes_sent), size);
}

void expect_all_echoed(size_t size) {
	peer_says(size, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(size, size);
}

static struct work other;

void queue_other(void) { work_queue_push(&played.pool.queue, &other); }

void take_other(void) {
	struct work *works[1];
	unsigned count;
	assert_int_equal(work_queue_take(&played.pool.queue, &played.worker.sleeper, works, &count),
			 NEXT_SERVE);
}

size_t bytes_waiting(void) {
	int bytes = 0;
	assert_int_equal(__real_ioctl(played.pair[0], FIONREAD, &bytes), 0);
	return (size_t)bytes;
}
