// Scenario: 10^5 connections made and closed, in every way that a client has: FIN, half-close,
// reset, and an end with its echo unread. Memory, descriptors and threads at the end are what they
// were after the first thousand. ECHOD_TEST_CONNECTIONS says how many.
#include "crowd.h"
#include "laws.h"
#include "stats.h"

#define WARM_UP 1000
#define CONNECTIONS (sizeof(ECHOD_SANITIZE) > 1 ? 10000 : 100000)

struct footprint {
	uint64_t allocated;
	size_t resident, descriptors, threads;
};

// One in ten says nothing.
static void make_connection(struct daemon *daemon, size_t i) {
	// From many addresses, so that no four-tuple comes back while the kernel remembers it.
	char source[16];
	snprintf(source, sizeof(source), "127.0.%zu.%zu", 1 + i / 50 % 100, 1 + i % 50);
	int fd = peer_try_connect(daemon->address[0], source);
	assert_true(fd >= 0);
	uint64_t bytes = i % 10 ? 1 + i % 5000 : 0;
	struct stream stream = {fd, i, bytes, .half_close = i % 4 == 1};
	static const char unread[5000];
	if (i % 4 == 3)
		peer_send(fd, unread, bytes);
	else if (bytes > 0 || stream.half_close)
		stream_run(&stream, 1);
	(i % 4 == 2 ? peer_reset : peer_close)(fd);
}

static void make_connections(struct daemon *daemon, size_t from, size_t to) {
	for (size_t i = from; i < to; i++)
		make_connection(daemon, i);
	stats_wait(daemon, "connections_accepted", to);
	stats_wait(daemon, "connections_open", 0);
}

static struct footprint take_footprint(struct daemon *daemon) {
	// The first request of a kind may leave something in a cache; the second leaves no more.
	stats_counter(daemon, "memory_allocated_bytes");
	return (struct footprint){.allocated = stats_counter(daemon, "memory_allocated_bytes"),
				  .resident = process_resident(daemon->process),
				  .descriptors = process_descriptors(daemon->process),
				  .threads = process_threads(daemon->process)};
}

TEST(footprint) {
	// Without jemalloc's caches of threads, which would hide what is leaked.
	struct daemon *daemon =
		daemon_start_as(PROCESS(.arguments = STRINGS("--workers", "4"),
					.environment = STRINGS("MALLOC_CONF=tcache:false")));
	size_t connections = crowd_number("ECHOD_TEST_CONNECTIONS", CONNECTIONS);
	make_connections(daemon, 0, WARM_UP);
	struct footprint early = take_footprint(daemon);
	struct process *laws = laws_watch(daemon);
	make_connections(daemon, WARM_UP, connections);
	laws_expect(laws, 20);
	stats_wait_at_rest(daemon);
	wait_until(process_descriptors(daemon->process) ==
		   early.descriptors); // without the watcher's
	struct footprint late = take_footprint(daemon);
	assert_int_equal(late.threads, early.threads);
	if (sizeof(ECHOD_SANITIZE) == 1) { // whose allocators keep freed memory
		assert_int_equal(late.allocated, early.allocated);
		assert_true(late.resident <= early.resident + (256 << 10));
	}
	daemon_stop(daemon);
}
