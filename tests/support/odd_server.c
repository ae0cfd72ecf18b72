// Echo servers that do something odd. The parent's functions first, as the test calls them; what
// the child runs is below odd_run.
#include "odd_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "daemon.h"
#include "peer.h"

#define MOST_CONNECTIONS 64
#define MOST_SPANS 10000
#define LONGEST_WAIT NS_PER_MS	  // of the loop: a longer time between two rounds is a standstill
#define CATCH_UP (20 * NS_PER_MS) // of the pace, after it could not run

// What the child writes and the parent reads. A span is written before it is counted.
struct record {
	_Atomic uint64_t accepted;
	_Atomic uint64_t received;
	_Atomic size_t span_count;
	struct odd_span spans[MOST_SPANS];
};

struct odd_server {
	struct odd_server *next;
	pid_t pid;
	char address[32];
	struct record *record;
};

static struct odd_server *servers;

// The child's.
struct odd_loop {
	const struct odd_spec *spec;
	struct record *record;
	struct pollfd sockets[MOST_CONNECTIONS + 1]; // the listener first
	size_t count;
	uint64_t seen; // when it last was known to run
	uint64_t free; // when the next message can have been dealt with, with a pace
};

static void look_at_clock(struct odd_loop *loop)
{
	uint64_t now = clock_now();
	size_t count = atomic_load(&loop->record->span_count);
	if (now - loop->seen > ODD_STANDSTILL && count < MOST_SPANS) {
		loop->record->spans[count] = (struct odd_span){.from = loop->seen, .to = now};
		atomic_store(&loop->record->span_count, count + 1);
	}
	loop->seen = now;
}

static void sleep_until(uint64_t moment)
{
	const struct timespec at = {.tv_sec = (time_t)(moment / NS_PER_S),
				    .tv_nsec = (long)(moment % NS_PER_S)};
	int cut_short;
	do
		cut_short = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR;
	while (cut_short);
}

// Waits for something to do. Returns when a planned stop begins too.
static void wait_for_events(struct odd_loop *loop)
{
	uint64_t span = LONGEST_WAIT;
	uint64_t every = loop->spec->stop_every;
	if (every > 0) {
		uint64_t left = every - clock_now() % every;
		span = left < span ? left : span;
	}
	const struct timespec longest = {.tv_nsec = (long)span};
	if (ppoll(loop->sockets, loop->count, &longest, NULL) < 0)
		_exit(1);
}

static void stop_if_planned(const struct odd_loop *loop)
{
	const struct odd_spec *spec = loop->spec;
	if (spec->stop_every == 0)
		return;
	uint64_t now = clock_now();
	uint64_t begin = now - now % spec->stop_every;
	if (now - begin < spec->stop_for)
		sleep_until(begin + spec->stop_for);
}

// Takes the time that a message takes. What was lost to others who had the CPU is made up for.
static void keep_pace(struct odd_loop *loop)
{
	if (loop->spec->pace == 0)
		return;
	uint64_t now = clock_now();
	if (loop->free + CATCH_UP < now)
		loop->free = now - CATCH_UP;
	loop->free += loop->spec->pace;
	sleep_until(loop->free);
}

static void send_back(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
		if (sent <= 0)
			return; // gone: the next recv says so
		bytes += sent;
		size -= (size_t)sent;
	}
}

static void reset(int fd)
{
	const struct linger at_once = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

// Returns whether the connection goes on.
static int serve(struct odd_loop *loop, int fd)
{
	static char bytes[65536];
	ssize_t size = recv(fd, bytes, sizeof(bytes), 0);
	if (size <= 0) {
		if (size == 0 && loop->spec->conduct == ODD_ADDS)
			send_back(fd, "+", 1);
		close(fd);
		return 0;
	}
	atomic_fetch_add(&loop->record->received, (uint64_t)size);
	keep_pace(loop);
	switch (loop->spec->conduct) {
	case ODD_RESETS:
		reset(fd);
		return 0;
	case ODD_HALVES:
		send_back(fd, bytes, (size_t)size / 2);
		close(fd);
		return 0;
	case ODD_ECHOES:
	case ODD_ADDS:
		send_back(fd, bytes, (size_t)size);
		return 1;
	default:
		return 1;
	}
}

static void accept_one(struct odd_loop *loop)
{
	int fd = accept4(loop->sockets[0].fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		_exit(1);
	const int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	atomic_fetch_add(&loop->record->accepted, 1);
	if (loop->spec->conduct == ODD_CLOSES || loop->count > MOST_CONNECTIONS)
		close(fd);
	else
		loop->sockets[loop->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

_Noreturn static void odd_run(struct odd_loop *loop)
{
	prctl(PR_SET_TIMERSLACK, 1UL);
	loop->seen = clock_now();
	for (;;) {
		wait_for_events(loop);
		stop_if_planned(loop);
		look_at_clock(loop);
		for (size_t i = loop->count; i-- > 1;) {
			if (loop->sockets[i].revents && !serve(loop, loop->sockets[i].fd))
				loop->sockets[i] = loop->sockets[--loop->count];
			look_at_clock(loop);
		}
		if (loop->sockets[0].revents)
			accept_one(loop);
	}
}

struct odd_server *odd_start(const struct odd_spec *spec)
{
	struct odd_server *server = calloc(1, sizeof(*server));
	assert_non_null(server);
	int memory = memfd_create("record", MFD_CLOEXEC);
	assert_int_equal(ftruncate(memory, sizeof(*server->record)), 0);
	server->record =
		mmap(NULL, sizeof(*server->record), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	assert_true(server->record != MAP_FAILED);
	close(memory);
	uint16_t port;
	int listener = peer_listen(0, MOST_CONNECTIONS, &port);
	snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", (unsigned)port);
	pid_t parent = getpid();
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
			_exit(1);
		static struct odd_loop loop;
		loop = (struct odd_loop){.spec = spec, .record = server->record, .count = 1};
		loop.sockets[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		odd_run(&loop);
	}
	close(listener);
	server->next = servers;
	servers = server;
	return server;
}

const char *odd_address(const struct odd_server *server)
{
	return server->address;
}

uint64_t odd_accepted(const struct odd_server *server)
{
	return atomic_load(&server->record->accepted);
}

uint64_t odd_received(const struct odd_server *server)
{
	return atomic_load(&server->record->received);
}

const struct odd_span *odd_spans(const struct odd_server *server, size_t *count)
{
	*count = atomic_load(&server->record->span_count);
	assert_true(*count < MOST_SPANS);
	return server->record->spans;
}

int odd_teardown(void **state)
{
	int status = 0;
	while (servers) {
		struct odd_server *server = servers;
		servers = server->next;
		// It runs until here, or something is wrong with it.
		if (waitpid(server->pid, NULL, WNOHANG) != 0 || kill(server->pid, SIGKILL) != 0 ||
		    waitpid(server->pid, NULL, 0) < 0)
			status = -1;
		munmap(server->record, sizeof(*server->record));
		free(server);
	}
	return daemon_teardown(state) | status;
}
