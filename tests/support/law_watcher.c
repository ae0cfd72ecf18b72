// law_watcher CONTROL: takes a snapshot a millisecond over the control socket, and holds each
// against the laws of the counters, until SIGTERM or the end of the server. Prints "watching", and
// at the end how many snapshots there were. A law that is broken is on standard error. One thread.
#include <signal.h>
#include <sys/socket.h>

#include "ctl.h"
#include "laws.h"
#include "peer.h"

static volatile sig_atomic_t ended;

static void on_end(int number) {
	(void)number;
	ended = 1;
}

// Whether an answer comes. The server may end, or close the connection for others.
static bool ask(int fd) {
	static const char request[] = "stats json\n";
	struct pollfd reply = {.fd = fd, .events = POLLIN};
	char first;
	if (peer_send_some(fd, request, sizeof(request) - 1) != sizeof(request) - 1)
		return false;
	int ready;
	while ((ready = poll(&reply, 1, (int)(PATIENCE / NS_PER_MS))) < 0 && errno == EINTR)
		;
	if (ready == 0)
		fail_msg("no answer to 'stats json'");
	return recv(fd, &first, 1, MSG_PEEK) == 1;
}

// NULL: the server is gone.
static json_t *take(const char *path, int *fd) {
	for (;;) {
		char *body = NULL;
		if (*fd < 0 && (*fd = ctl_try_connect(path)) < 0)
			return NULL;
		int status = ask(*fd) ? ctl_receive(*fd, &body) : 429;
		json_t *snapshot = status == 200 ? json_loads(body, 0, NULL) : NULL;
		free(body);
		if (snapshot)
			return snapshot;
		assert_int_equal(status, 429);
		close(*fd);
		*fd = -1;
	}
}

// Sleeps until `due`, unless that has passed. Returns when the next is due.
static uint64_t pace(uint64_t due) {
	uint64_t now = clock_now();
	const struct timespec pause = {.tv_nsec = due > now ? (long)(due - now) : 0};
	if (due > now)
		nanosleep(&pause, NULL);
	return (due > now ? due : now) + NS_PER_MS;
}

int main(int argc, char **argv) {
	assert_int_equal(argc, 2);
	signal(SIGTERM, on_end);
	int fd = -1;
	size_t count = 0;
	json_t *before = NULL, *now = NULL;
	const uint64_t begun = clock_now();
	for (uint64_t due = begun; !ended && (now = take(argv[1], &fd)); due = pace(due)) {
		const char *broken = laws_broken(before, now);
		if (broken)
			fail_msg("broken: %s\nbefore: %s\nthen: %s", broken,
				 before ? json_dumps(before, JSON_COMPACT) : "",
				 json_dumps(now, JSON_COMPACT));
		json_decref(before);
		before = now;
		if (count++ == 0)
			puts("watching");
		fflush(stdout);
	}
	json_decref(before);
	printf("%zu snapshots, %.0f a second\n", count,
	       (double)count * 1e9 / (double)(clock_now() - begun));
	return 0;
}
