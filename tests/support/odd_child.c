// The child process of an odd_server. One thread.
#include "odd_child.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "peer.h"

#define MOST_FILES 4096 // descriptors of the child
#define MOST_ANSWERS 65536
#define MOST_EVENTS 256
#define LONGEST_WAIT NS_PER_MS	 // of the loop, so that a longer round is a standstill
#define CATCH_UP (5 * NS_PER_MS) // of ODD_RATE, after it could not run

enum action { SEND, RESET, CLOSE };

struct answer {
	uint64_t due; // clock_now
	int fd;
	enum action action;
	char bytes[ODD_MESSAGE];
};

struct odd_connection {
	char bytes[ODD_MESSAGE]; // of a message that is not complete, the first `have`
	size_t have;
	uint64_t messages; // so far
	uint64_t due;	   // its last answer
};

struct odd_loop {
	const struct odd_spec *spec;
	struct odd_record *record;
	int listener, events;
	struct odd_connection connection[MOST_FILES]; // by descriptor
	struct answer answer[MOST_ANSWERS];	      // those of one connection in their order
	size_t answers;
	uint64_t next;	   // when the first answer is due
	uint64_t seen;	   // when it last was known to run
	uint64_t free;	   // when the messages so far are served (ODD_RATE)
	uint64_t messages; // of all connections
	uint64_t random;
};

static void note_standstill(struct odd_loop *loop) {
	uint64_t now = clock_now();
	size_t count = atomic_load(&loop->record->span_count);
	if (now - loop->seen > ODD_STANDSTILL && count < ODD_SPANS) {
		loop->record->spans[count] = (struct odd_span){.from = loop->seen, .to = now};
		atomic_store(&loop->record->span_count, count + 1);
	}
	loop->seen = now;
}

static void sleep_until(uint64_t deadline) {
	const struct timespec at = clock_timespec(deadline);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

// Waits for an event, until an answer is due, or until a planned stop begins.
static void wait_for_events(struct odd_loop *loop) {
	uint64_t now = clock_now(), span = LONGEST_WAIT;
	uint64_t every = loop->spec->stop_every;
	if (every > 0 && every - now % every < span)
		span = every - now % every;
	if (loop->answers > 0 && loop->next < now + span)
		span = loop->next > now ? loop->next - now : 0;
	struct pollfd events = {.fd = loop->events, .events = POLLIN};
	const struct timespec longest = {.tv_nsec = (long)span};
	if (ppoll(&events, 1, &longest, NULL) < 0)
		_exit(1);
}

static void stop_if_planned(const struct odd_loop *loop) {
	const struct odd_spec *spec = loop->spec;
	if (spec->stop_every == 0)
		return;
	uint64_t now = clock_now();
	uint64_t begin = now - now % spec->stop_every;
	if (now - begin < spec->stop_for)
		sleep_until(begin + spec->stop_for);
}

static void send_back(int fd, const char *bytes, size_t size) {
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
		if (sent <= 0)
			return; // the client has gone: the next recv says so
		bytes += sent;
		size -= (size_t)sent;
	}
}

static void reset(int fd) {
	const struct linger at_once = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void add_answer(struct odd_loop *loop, int fd, enum action action, uint64_t due) {
	struct odd_connection *connection = &loop->connection[fd];
	struct answer *answer = &loop->answer[loop->answers++];
	if (loop->answers == MOST_ANSWERS)
		_exit(1);
	connection->due = due > connection->due ? due : connection->due;
	*answer = (struct answer){.due = connection->due, .fd = fd, .action = action};
	memcpy(answer->bytes, connection->bytes, ODD_MESSAGE);
	if (loop->answers == 1 || answer->due < loop->next)
		loop->next = answer->due;
}

// Deals with a message that is complete.
static void take_message(struct odd_loop *loop, int fd) {
	const struct odd_spec *spec = loop->spec;
	struct odd_connection *connection = &loop->connection[fd];
	uint64_t now = clock_now();
	uint64_t number = ++loop->messages;
	uint64_t later = (uint64_t)(spec->arg * (double)NS_PER_S);
	bool chosen = (double)pattern_number(&loop->random, 0, 999999) < spec->arg * 1e6;
	connection->messages++;
	switch (spec->conduct) {
	case ODD_RATE:
		if (loop->free + CATCH_UP < now)
			loop->free = now - CATCH_UP;
		loop->free += (uint64_t)((double)NS_PER_S / spec->arg);
		add_answer(loop, fd, SEND, loop->free);
		break;
	case ODD_BATCHES:
		odd_work(spec->arg / 4);
		add_answer(loop, fd, SEND, now);
		break;
	case ODD_DELAYS:
		add_answer(loop, fd, SEND, now + later);
		break;
	case ODD_SLOW:
	case ODD_SLOW_RESETS:
		add_answer(loop, fd, chosen && spec->conduct == ODD_SLOW_RESETS ? RESET : SEND,
			   now + (chosen ? ODD_SLOWNESS : 0));
		break;
	case ODD_LOSES:
		if (number % (uint64_t)spec->arg != 0)
			add_answer(loop, fd, SEND, now);
		break;
	case ODD_REPEATS:
		add_answer(loop, fd, SEND, now);
		add_answer(loop, fd, SEND, now + later);
		break;
	default: // ODD_LEAVES
		if (connection->messages <= (uint64_t)spec->arg)
			add_answer(loop, fd, SEND, now);
		if (connection->messages == (uint64_t)spec->arg)
			add_answer(loop, fd, CLOSE, now);
	}
}

static void take_messages(struct odd_loop *loop, int fd, const char *bytes, size_t size) {
	struct odd_connection *connection = &loop->connection[fd];
	for (size_t i = 0; i < size; i++) {
		connection->bytes[connection->have++] = bytes[i];
		if (connection->have < ODD_MESSAGE)
			continue;
		take_message(loop, fd);
		connection->have = 0;
	}
}

static void drop_answers(struct odd_loop *loop, int fd) {
	size_t kept = 0;
	for (size_t i = 0; i < loop->answers; i++) {
		if (loop->answer[i].fd != fd)
			loop->answer[kept++] = loop->answer[i];
	}
	loop->answers = kept;
}

// Drops answers that are not due yet.
static void end_connection(struct odd_loop *loop, int fd, enum action how) {
	drop_answers(loop, fd);
	if (how == RESET)
		reset(fd);
	else
		close(fd);
}

// Does what is due.
static void send_answers(struct odd_loop *loop) {
	uint64_t now = clock_now();
	if (loop->answers == 0 || loop->next > now)
		return;
	size_t kept = 0, ends = 0;
	struct answer end[MOST_EVENTS];
	loop->next = CLOCK_NEVER;
	for (size_t i = 0; i < loop->answers; i++) {
		struct answer *each = &loop->answer[i];
		if (each->due > now || (each->action != SEND && ends == MOST_EVENTS)) {
			loop->next = each->due < loop->next ? each->due : loop->next;
			loop->answer[kept++] = *each;
		} else if (each->action == SEND) {
			send_back(each->fd, each->bytes, ODD_MESSAGE);
		} else {
			end[ends++] = *each;
		}
	}
	loop->answers = kept;
	for (size_t i = 0; i < ends; i++)
		end_connection(loop, end[i].fd, end[i].action);
}

// The client has ended it: answers to it are still sent.
static void take_end(struct odd_loop *loop, int fd, bool orderly) {
	epoll_ctl(loop->events, EPOLL_CTL_DEL, fd, NULL);
	if (orderly && loop->spec->deaf)
		return;
	if (orderly && loop->spec->conduct >= ODD_RATE) {
		add_answer(loop, fd, CLOSE, clock_now());
		return;
	}
	if (orderly && loop->spec->conduct == ODD_ADDS)
		send_back(fd, "+", 1);
	end_connection(loop, fd, CLOSE);
}

static void serve(struct odd_loop *loop, int fd) {
	static char bytes[65536];
	ssize_t size = recv(fd, bytes, sizeof(bytes), 0);
	if (size <= 0) {
		take_end(loop, fd, size == 0);
		return;
	}
	atomic_fetch_add(&loop->record->received, (uint64_t)size);
	switch (loop->spec->conduct) {
	case ODD_SILENT:
		break;
	case ODD_RESETS:
		reset(fd);
		break;
	case ODD_HALVES:
		send_back(fd, bytes, (size_t)size / 2);
		close(fd);
		break;
	case ODD_ECHOES:
	case ODD_ADDS:
		send_back(fd, bytes, (size_t)size);
		break;
	default:
		take_messages(loop, fd, bytes, (size_t)size);
	}
}

static void listen_to(const struct odd_loop *loop, int fd) {
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (fd >= MOST_FILES || epoll_ctl(loop->events, EPOLL_CTL_ADD, fd, &event) != 0)
		_exit(1);
}

static void accept_one(struct odd_loop *loop) {
	int fd = accept4(loop->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		_exit(1);
	const int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	atomic_fetch_add(&loop->record->accepted, 1);
	listen_to(loop, fd);
	loop->connection[fd] = (struct odd_connection){0};
}

void odd_run(const struct odd_spec *spec, struct odd_record *record, int listener) {
	static struct odd_loop memory;
	struct odd_loop *loop = &memory;
	loop->spec = spec;
	loop->record = record;
	loop->listener = listener;
	prctl(PR_SET_TIMERSLACK, 1UL);
	loop->events = epoll_create1(EPOLL_CLOEXEC);
	loop->seen = clock_now();
	listen_to(loop, loop->listener);
	for (;;) {
		struct epoll_event events[MOST_EVENTS];
		wait_for_events(loop);
		stop_if_planned(loop);
		note_standstill(loop);
		send_answers(loop);
		int count = epoll_wait(loop->events, events, MOST_EVENTS, 0);
		if (count > 0 && spec->conduct == ODD_BATCHES)
			odd_work(spec->arg);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == loop->listener)
				accept_one(loop);
			else
				serve(loop, events[i].data.fd);
			note_standstill(loop);
		}
	}
}
