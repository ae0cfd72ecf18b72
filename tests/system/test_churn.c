// Scenario: ten thousand connections made and closed. Memory, descriptors and threads at the end
// are what they were after the first thousand.
#include "peer.h"
#include "stats.h"

#define WARM_UP 1000
#define CONNECTIONS 10000

struct footprint {
	uint64_t allocated;
	size_t resident, descriptors, threads;
};

// From many addresses, so that no four-tuple comes back while the kernel still remembers it.
static void make_connections(struct daemon *daemon, int from, int to) {
	for (int i = from; i < to; i++) {
		int fd = peer_try_connect(daemon->address[0], test_text("127.0.1.%d", 1 + i % 50));
		assert_true(fd >= 0);
		if (i % 10)
			peer_echo(fd, (uint64_t)i, 1 + (uint64_t)i % 5000);
		(i % 7 ? peer_close : peer_reset)(fd);
	}
	stats_wait(daemon, "connections_open", 0);
	stats_wait(daemon, "connections_accepted", (uint64_t)to);
}

static struct footprint take_footprint(struct daemon *daemon) {
	// The first request of a kind may leave something in a cache; the second leaves no more.
	stats_counter(daemon, "memory_allocated_bytes");
	return (struct footprint){.allocated = stats_counter(daemon, "memory_allocated_bytes"),
				  .resident = process_resident(daemon->process),
				  .descriptors = process_descriptors(daemon->process),
				  .threads = process_threads(daemon->process)};
}

DAEMON_TEST(footprint, ("--workers", "4")) {
	make_connections(daemon, 0, WARM_UP);
	struct footprint early = take_footprint(daemon);
	make_connections(daemon, WARM_UP, CONNECTIONS);
	struct footprint late = take_footprint(daemon);
	assert_int_equal(late.descriptors, early.descriptors);
	assert_int_equal(late.threads, early.threads);
	if (sizeof(ECHOD_SANITIZE) == 1) { // whose allocators keep freed memory
		assert_int_equal(late.allocated, early.allocated);
		assert_true(late.resident <= early.resident + (256 << 10));
	}
}
