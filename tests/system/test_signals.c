// Scenario: signals and SIGKILL at any moment, of the start and under load. More of each with
// ECHOD_TEST_SIGNALS and ECHOD_TEST_KILLS.
#include <signal.h>

#include "ctl.h"
#include "peer.h"
#include "stats.h"

#define AT_ONCE 8 // servers that start together
#define START_MS 300
#define STREAMS 8
#define DRAIN "10s"
#define SOON (100 * NS_PER_MS) // from exec to the first echo

static const int ending[] = {SIGTERM, SIGINT, SIGHUP};

static unsigned times(const char *variable, unsigned usual) {
	const char *text = getenv(variable);
	return text			    ? (unsigned)strtoul(text, NULL, 10)
	       : sizeof(ECHOD_SANITIZE) > 1 ? usual / 5
					    : usual;
}

// One signal, two, or six of all kinds, of which the third ends a server that runs, and the second
// one that starts, as if they were not heeded.
static void send_some(const struct process *process, uint64_t number) {
	static const uint64_t many[] = {1, 2, 6};
	for (uint64_t i = 0; i < many[number % COUNT_OF(many)]; i++)
		process_signal(process, ending[(number / 3 + i) % COUNT_OF(ending)]);
}

static struct daemon *spawn_one(unsigned index) {
	return daemon_spawn(SPEC("--listen", place_address(test_text("e%u", index)), "--control",
				 place_path(test_text("c%u", index))));
}

// The moments are spread over START_MS, half of them over its first part. After one signal nothing
// is left; after several the next server starts at the same place.
TEST(at_every_moment_of_the_start) {
	unsigned rounds = (times("ECHOD_TEST_SIGNALS", 100) + AT_ONCE - 1) / AT_ONCE, killed = 0;
	for (unsigned round = 0; round < rounds; round++) {
		struct daemon *daemons[AT_ONCE];
		bool ready[AT_ONCE];
		uint64_t most = round % 2 ? START_MS : START_MS / 20;
		uint64_t begin = clock_now(), step = most * NS_PER_MS / AT_ONCE;
		for (unsigned i = 0; i < AT_ONCE; i++)
			daemons[i] = spawn_one(i);
		for (unsigned i = 0; i < AT_ONCE; i++) {
			while (clock_now() < begin + i * step + round * step / rounds)
				poll(NULL, 0, 0);
			ready[i] = *process_output(daemons[i]->process, NULL);
			send_some(daemons[i]->process, round + i);
		}
		for (unsigned i = 0; i < AT_ONCE; i++) {
			int status = process_wait(daemons[i]->process);
			assert_true(status == 0 || status == 128 + SIGTERM ||
				    status == 128 + SIGINT || status == 128 + SIGHUP);
			assert_true(status == 0 || !ready[i] || (round + i) % 3 == 2);
			killed += status != 0;
			if (place_exists(daemons[i]->control)) {
				assert_true(status != 0 && (round + i) % 3 != 0);
				daemons[i] = spawn_one(i);
				daemon_wait_ready(daemons[i]);
				daemon_stop(daemons[i]);
			}
		}
		test_clean_up();
	}
	printf("%u servers, signals in the first %d ms: %u ended by a signal\n", rounds * AT_ONCE,
	       START_MS, killed);
}

// Streams to its addresses in turn, some of which have begun.
static void open_streams(const struct daemon *daemon, struct stream streams[STREAMS],
			 uint64_t *numbers) {
	for (size_t i = 0; i < STREAMS; i++) {
		uint64_t total = pattern_number(numbers, 1, 400000);
		streams[i] = stream_open(daemon->address[i % daemon->address_count], i, total);
		streams[i].chunk = pattern_number(numbers, 0, 3) * 1000;
		streams[i].half_close = false; // not yet
	}
	for (uint64_t steps = pattern_number(numbers, 0, 200); steps > 0; steps--)
		stream_step(&streams[steps % STREAMS]);
}

// All that was sent comes back, and then FIN; one that does not end is cut by a second signal.
TEST(under_load) {
	uint64_t numbers = 4, longest = 0;
	unsigned count = times("ECHOD_TEST_SIGNALS", 100) / 2;
	for (unsigned round = 0; round < count; round++) {
		struct stream streams[STREAMS];
		struct daemon *daemon = daemon_start("--workers", round % 2 ? "2" : "16",
						     "--drain-timeout", DRAIN, LISTEN_TCP_AND_UNIX);
		int silent = round % 4 == 0 ? peer_connect_served(daemon->address[0]) : -1;
		open_streams(daemon, streams, &numbers);
		uint64_t begin = clock_now();
		process_signal(daemon->process, ending[round % COUNT_OF(ending)]);
		for (size_t i = 0; i < STREAMS; i++) {
			streams[i].half_close = true;
			streams[i].done = false;
		}
		stream_finish(streams, STREAMS);
		if (silent >= 0) {
			process_signal(daemon->process, ending[(round + 1) % COUNT_OF(ending)]);
			peer_expect_closed(silent);
		}
		daemon_expect_end(daemon);
		longest = clock_now() - begin > longest ? clock_now() - begin : longest;
		test_clean_up();
	}
	assert_true(longest < 11 * NS_PER_S);
	printf("%u signals under load: every echo whole, at most %ju ms to the end\n", count,
	       (uintmax_t)(longest / NS_PER_MS));
}

// How long any program takes to start and end.
static uint64_t plain_start(void) {
	uint64_t begin = clock_now();
	EXPECT_STATUS(0, "/bin/true");
	return clock_now() - begin;
}

// The next server has the same port, path and control socket, and serves at once: from exec to the
// first echo. Where the machine is busy a start takes longer, so half of them may, beyond what any
// program takes.
TEST(killed_under_load) {
	uint64_t numbers = 7, longest = 0;
	unsigned count = times("ECHOD_TEST_KILLS", 10), late = 0, too_late = 0;
	uint16_t port = peer_free_port();
	for (unsigned round = 0; round < count; round++) {
		const char *tcp = test_text("127.0.0.1:%u", port), *path = place_address("echo");
		struct daemon *daemon = daemon_start("--listen", tcp, "--listen", path);
		struct stream streams[STREAMS];
		int fd;
		open_streams(daemon, streams, &numbers);
		process_kill(daemon->process);
		for (size_t i = 0; i < STREAMS; i++)
			peer_close(streams[i].fd);
		uint64_t plain = plain_start(), begin = clock_now();
		daemon = daemon_spawn(SPEC("--listen", tcp, "--listen", path));
		yield_until((fd = peer_try_connect(tcp, NULL)) >= 0);
		peer_ping(fd);
		uint64_t took = clock_now() - begin;
		peer_close(fd);
		daemon_wait_ready(daemon);
		peer_visit(path);
		daemon_stop(daemon);
		test_clean_up();
		longest = took > longest ? took : longest;
		late += took > SOON;
		too_late += took > SOON + plain;
	}
	printf("%u times killed under load: the first echo after at most %ju ms, %u after more "
	       "than %ju ms\n",
	       count, (uintmax_t)(longest / NS_PER_MS), late, (uintmax_t)(SOON / NS_PER_MS));
	assert_true(too_late <= count / 2 || sizeof(ECHOD_SANITIZE) > 1);
}
