// The acceptor at its limits: of connections, of a source, of the kernel's epoll sets:
// server/acceptor.
#include "test.h"

#include <sys/epoll.h>

#include "inside.h"
#include "peer.h"
#include "process.h"

static atomic_int set_fault; // what adding to an epoll set fails with; 0: it does not

WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event)) {
	if (operation == EPOLL_CTL_ADD && atomic_load(&set_fault)) {
		errno = atomic_load(&set_fault);
		return -1;
	}
	return __real_epoll_ctl(epoll, operation, fd, event);
}

FIXTURE(inside_configure, inside_end);

// A flood on one listener does not keep clients of another one waiting.
TEST(at_the_limit_listeners_take_turns) {
	int flood[20];
	inside->config.max_connections = 1;
	inside_listen("127.0.0.1:0");
	inside_listen("127.0.0.1:0");
	inside_start();
	inside_connect(flood, COUNT_OF(flood));
	peer_ping(flood[0]);
	int other = peer_connect(inside->server.names[1]);
	wait_until(listener_backlog(&inside->server.listeners[1]) == 1);
	peer_close(flood[0]);
	peer_ping(other); // the next
	peer_close(other);
	for (size_t i = 1; i < COUNT_OF(flood); i++) {
		peer_ping(flood[i]);
		peer_close(flood[i]);
	}
}

// The user's limit on sockets in epoll sets (fs.epoll.max_user_watches), or no memory: a pause and
// a warning as without descriptors, and open connections are kept.
TEST(with_a_full_epoll_set_it_pauses_and_serves) {
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

TEST(at_the_limit_it_resets_with_overload_reset) {
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

TEST(one_source_does_not_take_it_all) {
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
