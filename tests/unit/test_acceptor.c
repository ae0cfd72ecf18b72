// The acceptor under every error of accept(2), and at its limits: of connections, of a source, of
// the kernel's epoll sets: server/acceptor. accept4 and epoll_ctl fail as the test says.
#include "test.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "inside.h"
#include "peer.h"
#include "place.h"
#include "process.h"

#define FOREVER 0x7fffffff

static atomic_int fault;	    // what accept4 fails with, while
static atomic_int faults_left;	    // is above 0
static atomic_uint calls;	    // of accept4
static _Atomic uint64_t failed_at;  // when it failed last
static _Atomic uint64_t retried_at; // when it was first called after that

WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags)) {
	atomic_fetch_add(&calls, 1);
	int left = atomic_load(&faults_left);
	while (left > 0 && !atomic_compare_exchange_weak(&faults_left, &left, left - 1))
		;
	if (left == 0) {
		uint64_t never = 0;
		atomic_compare_exchange_strong(&retried_at, &never, clock_now());
		return __real_accept4(fd, address, length, flags);
	}
	atomic_store(&retried_at, 0);
	atomic_store(&failed_at, clock_now());
	errno = atomic_load(&fault);
	return -1;
}

static atomic_int set_fault; // what adding to an epoll set fails with; 0: it does not

WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event)) {
	if (operation == EPOLL_CTL_ADD && atomic_load(&set_fault)) {
		errno = atomic_load(&set_fault);
		return -1;
	}
	return __real_epoll_ctl(epoll, operation, fd, event);
}

static atomic_int pretended_user; // of whoever connects by a Unix-domain socket

WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size)) {
	int result = __real_getsockopt(fd, level, name, value, size);
	if (level == SOL_SOCKET && name == SO_PEERCRED)
		((struct ucred *)value)->uid = (uid_t)atomic_load(&pretended_user);
	return result;
}

static void fail_accepts(int error, int times) {
	atomic_store(&fault, error);
	atomic_store(&calls, 0);
	atomic_store(&faults_left, times);
}

static void configure(void) {
	fail_accepts(0, 0);
	inside_configure();
}

BEFORE_EACH {
	configure();
	inside_start();
}

AFTER_EACH {
	fail_accepts(0, 0);
	inside_end();
}

static const struct {
	enum counter counter;
	bool pauses;
	int errors[11];
} classes[] = {
	{COUNTER_accept_errors_aborted, false, {ECONNABORTED, ECONNRESET}},
	{COUNTER_accept_errors_network,
	 false,
	 {EPROTO, ENETDOWN, ENETUNREACH, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, ENONET, EOPNOTSUPP,
	  EPERM, ETIMEDOUT}},
	{COUNTER_accept_errors_descriptors, true, {EMFILE, ENFILE}},
	{COUNTER_accept_errors_memory, true, {ENOBUFS, ENOMEM}},
	{COUNTER_accept_errors_other, true, {EBADF, EFAULT, EINVAL, ENOTSOCK, ENOSR}},
};

static uint64_t all_errors(void) {
	uint64_t errors = 0;
	for (size_t i = 0; i < COUNT_OF(classes); i++)
		errors += inside_counter(classes[i].counter);
	return errors;
}

// `error` comes once, then the client, which has waited, is served.
static void expect_counted(int error, enum counter counter, bool pauses) {
	uint64_t before = inside_counter(counter);
	uint64_t errors = all_errors();
	uint64_t paused = inside_counter(COUNTER_accept_pauses);
	fail_accepts(error, 1);
	peer_visit(inside_address());
	assert_int_equal(inside_counter(counter), before + 1);
	assert_int_equal(all_errors(), errors + 1);
	assert_int_equal(inside_counter(COUNTER_accept_pauses), paused + pauses);
	assert_int_equal(inside_counter(COUNTER_connections_accepted), errors + 1);
	assert_true(atomic_load(&calls) <= 4); // the error, the client, an EAGAIN each
}

TEST(each_error_is_counted_in_its_class) {
	for (size_t i = 0; i < COUNT_OF(classes); i++)
		for (const int *error = classes[i].errors; *error; error++)
			expect_counted(*error, classes[i].counter, classes[i].pauses);
}

TEST(what_says_try_again_is_no_error) {
	const int errors[] = {EAGAIN, EINTR};
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		fail_accepts(errors[i], 3);
		peer_visit(inside_address());
	}
	assert_int_equal(all_errors(), 0);
	assert_int_equal(inside_counter(COUNTER_accept_pauses), 0);
}

TEST(while_it_pauses_the_server_is_not_ready) {
	const char *reason;
	assert_true(server_ready(&inside->server, &reason));
	fail_accepts(EMFILE, FOREVER);
	int client = peer_connect(inside_address());
	wait_until(!server_ready(&inside->server, &reason));
	assert_contains(reason, "out of descriptors or memory");
	fail_accepts(0, 0);
	peer_ping_last(client);
	assert_true(server_ready(&inside->server, &reason));
}

// Lets all accepts fail for 300 ms while a client waits; then it is served.
static void expect_patience(int error) {
	fail_accepts(error, FOREVER);
	int client = peer_connect(inside_address());
	uint64_t begun = clock_now();
	wait_until(atomic_load(&calls) > 0 && clock_now() - begun >= 300 * NS_PER_MS);
	unsigned made = atomic_load(&calls);
	uint64_t lasted = clock_now() - begun;
	fail_accepts(0, 0);
	peer_ping_last(client);
	if (made > 64 * (2 + lasted / (100 * NS_PER_MS)))
		fail_msg("%u calls of accept4 in %ju ms while it fails with %s: it spins", made,
			 (uintmax_t)(lasted / NS_PER_MS), strerrorname_np(error));
}

TEST(out_of_resources_it_does_not_spin) {
	for (size_t i = 0; i < COUNT_OF(classes); i++)
		for (const int *error = classes[i].errors; classes[i].pauses && *error; error++)
			expect_patience(*error);
	assert_true(inside_counter(COUNTER_accept_paused_seconds) >= 200 * NS_PER_MS);
}

// seccomp and security modules fail accept before it takes a client from the backlog: the listener
// stays readable.
TEST(an_error_that_stays_does_not_make_it_spin) {
	expect_patience(EPERM);
	expect_patience(ENETDOWN);
	expect_patience(ECONNABORTED);
}

TEST(a_pause_ends_with_its_time) {
	fail_accepts(EMFILE, 3);
	uint64_t begun = clock_now();
	int client = peer_connect_served(inside_address()); // the timer ends each pause
	uint64_t lasted = clock_now() - begun;
	assert_true(lasted >= 300 * NS_PER_MS);
	assert_int_equal(inside_counter(COUNTER_accept_pauses), 3);
	assert_in_range(inside_counter(COUNTER_accept_paused_seconds), 300 * NS_PER_MS, lasted);
	peer_close(client);
}

// One close during a pause; returns how long it was from the failed accept to the next one.
static uint64_t pause_with_a_close(void) {
	int first = peer_connect_served(inside_address());
	uint64_t pauses = inside_counter(COUNTER_accept_pauses);
	fail_accepts(EMFILE, 1);
	int second = peer_connect(inside_address());
	wait_until(inside_counter(COUNTER_accept_pauses) > pauses);
	peer_close(first);
	peer_ping_last(second);
	return atomic_load(&retried_at) - atomic_load(&failed_at);
}

TEST(a_pause_ends_with_a_close) {
	// On a busy machine the timer may be first.
	wait_until(pause_with_a_close() < 90 * NS_PER_MS);
}

TEST(at_the_limit_it_waits_for_a_close, .setup = configure) {
	inside->config.max_connections = 2;
	inside_start();
	int clients[4];
	for (size_t i = 0; i < 2; i++)
		clients[i] = peer_connect_served(inside_address());
	atomic_store(&calls, 0);
	inside_connect(clients + 2, 2);
	wait_until(inside_counter(COUNTER_accept_pauses) == 1);
	// Its time is counted while it lasts.
	wait_until(inside_counter(COUNTER_accept_paused_seconds) >= NS_PER_S);
	assert_int_equal(atomic_load(&calls), 0);
	assert_int_equal(inside_gauge(GAUGE_connections_open), 2);
	peer_close(clients[0]);
	peer_ping(clients[2]);
	peer_expect_quiet(clients[3]);
	peer_close(clients[1]);
	peer_ping(clients[3]);
	peer_close_all(clients + 2, 2);
	assert_int_equal(inside_counter(COUNTER_connections_rejected_limit), 0);
}

TEST(a_line_a_second_for_each_kind_of_error) {
	fail_accepts(ECONNABORTED, 50);
	uint64_t begun = clock_now();
	peer_visit(inside_address());
	unsigned seconds = (unsigned)((clock_now() - begun) / NS_PER_S);
	unsigned lines = atomic_load(&inside->lines);
	assert_true(lines >= 1 && lines <= 1 + seconds);
	assert_int_equal(inside_counter(COUNTER_log_lines_dropped), 50 - lines);
	atomic_store(&inside->log.level, ECHOD_LOG_ERROR); // what is not wanted is not dropped
	fail_accepts(ECONNABORTED, 50);
	peer_visit(inside_address());
	assert_int_equal(inside_counter(COUNTER_log_lines_dropped), 50 - lines);
}

// At its limit one after the other; errors of single clients are not counted among them.
TEST(a_drain_takes_in_the_backlog, .setup = configure) {
	inside->config.max_connections = 1;
	inside_start();
	fail_accepts(EMFILE, FOREVER);
	int clients[5];
	inside_connect(clients, 5);
	wait_until(inside_counter(COUNTER_accept_pauses) > 0);
	fail_accepts(ECONNABORTED, 5);
	server_drain(&inside->server, 0, 20 * NS_PER_S);
	for (size_t i = 0; i < 5; i++) {
		peer_ping(clients[i]);
		peer_half_close(clients[i]);
		peer_expect_eof(clients[i]);
	}
	inside_expect_done();
	assert_int_equal(inside_counter(COUNTER_connections_closed_peer), 5);
}

// Errors of single clients do not keep it from ending.
TEST(a_drain_ends_whatever_accept_says) {
	static const int errors[] = {EMFILE, EINVAL, EPERM, ECONNABORTED};
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		fail_accepts(errors[i], FOREVER);
		int client = peer_connect(inside_address());
		wait_until(atomic_load(&calls) > 0);
		server_drain(&inside->server, 0, 0);
		bool ended = inside_is_done(PATIENCE);
		assert_false(atomic_load(&inside->server.admission.lacks_resources));
		fail_accepts(0, 0);
		close(client);
		if (!ended)
			fail_msg("while accept4 fails with %s the drain does not end",
				 strerrorname_np(errors[i]));
		after_each();
		before_each();
	}
}

// A flood on one listener does not keep clients of another one waiting.
TEST(at_the_limit_listeners_take_turns, .setup = configure) {
	int flood[20];
	inside->config.max_connections = 1;
	inside_listen("127.0.0.1:0");
	inside_listen("127.0.0.1:0");
	inside_start();
	inside_connect(flood, COUNT_OF(flood));
	peer_ping(flood[0]);
	wait_until(inside_counter(COUNTER_accept_pauses) == 1); // else it may take the next
	int other = peer_connect(inside->server.names[1]);
	wait_until(listener_backlog(&inside->server.listeners[1]) == 1);
	peer_close(flood[0]);
	peer_ping_last(other); // the next
	for (size_t i = 1; i < COUNT_OF(flood); i++)
		peer_ping_last(flood[i]);
	assert_true(inside_counter(COUNTER_accept_pauses) <= COUNT_OF(flood) + 1); // one for each
}

// The user's limit on sockets in epoll sets (fs.epoll.max_user_watches), or no memory: a pause and
// a warning as without descriptors, and open connections are kept.
TEST(with_a_full_epoll_set_it_pauses_and_serves, .setup = configure) {
	static const int errors[] = {ENOSPC, ENOMEM};
	int clients[10];
	inside->config.patience = 0;
	inside_start();
	for (size_t e = 0; e < COUNT_OF(errors); e++) {
		uint64_t pauses = inside_counter(COUNTER_accept_pauses);
		unsigned lines = atomic_load(&inside->lines);
		atomic_store(&set_fault, errors[e]);
		inside_connect(clients, COUNT_OF(clients));
		for (size_t i = 0; i < 2 * COUNT_OF(clients); i++)
			peer_ping(clients[i % COUNT_OF(clients)]);
		wait_until(inside_counter(COUNTER_accept_pauses) > pauses);
		wait_until(atomic_load(&inside->lines) > lines);
		atomic_store(&set_fault, 0); // from now on they have a place, one after the other
		for (size_t i = 0; i < COUNT_OF(clients); i++)
			peer_ping(clients[i]);
		wait_until(inside_gauge(GAUGE_connections_parked) == COUNT_OF(clients));
		uint64_t refused = inside_counter(COUNTER_parks_refused);
		for (size_t i = 0; i < COUNT_OF(clients); i++) {
			peer_ping(clients[i]);
			peer_half_close(clients[i]);
			peer_expect_eof(clients[i]);
		}
		assert_true(refused > 0);
		assert_int_equal(inside_counter(COUNTER_parks_refused), refused);
		wait_until(inside_counter(COUNTER_connections_closed_peer) ==
			   (e + 1) * COUNT_OF(clients));
	}
}

TEST(at_the_limit_it_resets_with_overload_reset, .setup = configure) {
	inside->config.max_connections = 2;
	inside->config.overload = OVERLOAD_RESET;
	inside_start();
	int first = peer_connect_served(inside_address());
	int second = peer_connect_served(inside_address());
	for (int i = 0; i < 5; i++)
		peer_expect_rejected(inside_address(), NULL);
	assert_int_equal(inside_counter(COUNTER_connections_rejected_limit), 5);
	assert_int_equal(inside_counter(COUNTER_connections_accepted), 2);
	peer_close(first);
	wait_until(inside_gauge(GAUGE_connections_open) == 1 &&
		   admission_count(&inside->server.admission) == 1);
	peer_visit(inside_address());
	peer_close(second);
}

TEST(one_source_does_not_take_it_all, .setup = configure) {
	inside->config.max_per_source = 1;
	inside_start();
	int first = peer_try_connect(inside_address(), "127.0.0.2");
	peer_ping(first);
	peer_expect_rejected(inside_address(), "127.0.0.2");
	int other = peer_try_connect(inside_address(), "127.0.0.3");
	peer_ping(other);
	assert_int_equal(inside_counter(COUNTER_connections_rejected_source), 1);
	peer_close(first);
	peer_close(other);
}

TEST(one_user_does_not_take_it_all, .setup = configure) {
	inside->config.max_per_source = 1;
	inside_listen(place_address("s"));
	inside_start();
	int clients[2];
	for (int user = 0; user < 2; user++) {
		atomic_store(&pretended_user, 1000 + user);
		clients[user] = peer_connect_served(inside_address());
		peer_expect_eof(peer_connect(inside_address())); // no reset in the Unix domain
	}
	assert_int_equal(inside_counter(COUNTER_connections_rejected_source), 2);
	peer_close_all(clients, 2);
}

// Whatever has woken it, it waits for the next thing; it does not poll.
TEST(it_rests_whatever_it_waits_for, .setup = configure) {
	inside->config.max_connections = 1;
	inside_listen("127.0.0.1:0");
	inside_listen("127.0.0.1:0");
	inside->config.listen[1].proxy = true;
	assert_int_equal(trust_add(&inside->config.listen[1].trust, "127.0.0.1", NULL), 0);
	inside_start();
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	assert_int_equal(atomic_load(&calls), 0);
	int first = peer_connect_served(inside_address());
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	int second = peer_connect(inside_address());
	wait_until(inside_counter(COUNTER_accept_pauses) == 1);
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	peer_close(first);
	peer_ping(second);
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	peer_close(second);
	int third = peer_connect(inside->server.names[1]);
	wait_until(inside_gauge(GAUGE_connections_awaiting_header) == 1);
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	peer_close(third);
	int last = peer_connect_served(inside_address());
	server_drain(&inside->server, 3600 * NS_PER_S, CLOCK_NEVER);
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	server_drain(&inside->server, 0, CLOCK_NEVER);
	inside_expect_rest(SERVER_THREAD_ACCEPTOR);
	peer_close(last);
	inside_expect_done();
}
