// A server inside the test's own process. Main thread.
#include "inside.h"

#include <poll.h>

#include "base/clock.h"
#include "lib/config.h"
#include "peer.h"
#include "process.h"
#include "test.h"

static struct inside servers[2];
struct inside *inside = servers;

static int count_line(void *context, const struct echod_log_entry *entry) {
	atomic_fetch_add(&((struct inside *)context)->lines, 1);
	return 1;
}

void inside_use(size_t which) { inside = &servers[which]; }

void inside_configure(void) {
	memset(inside, 0, sizeof(*inside));
	struct echod_config *defaults = echod_config_new();
	assert_non_null(defaults);
	inside->config = defaults->server;
	echod_config_free(defaults);
	inside->config.listen_count = 0; // for inside_listen; else the first is taken
	inside->config.listen[0].address.port = 0;
	inside->config.is_guest = false;
	inside->config.workers = 2;
	inside->config.max_connections = 64;
	inside->config.backlog = 128;
	inside->log = (struct log){.level = ECHOD_LOG_INFO, .sink = count_line, .context = inside};
}

void inside_listen(const char *address) {
	struct listen *listen = &inside->config.listen[inside->config.listen_count++];
	assert_int_equal(address_parse(address, &listen->address, NULL), 0);
}

int inside_build(struct echod_error *error) {
	if (inside->config.listen_count == 0)
		inside->config.listen_count = 1;
	return server_build(&inside->server, &inside->config, &inside->log, error);
}

void inside_start(void) {
	struct echod_error error = {0};
	if (inside_build(&error) != 0 || server_start(&inside->server, &error) != 0 ||
	    server_open(&inside->server, &error) != 0)
		fail_msg("%s", error.message);
}

void inside_begin(void) {
	inside_configure();
	inside_start();
}

void inside_end(void) {
	server_drain(&inside->server, 0, 0);
	server_join(&inside->server);
	server_free(&inside->server);
}

const char *inside_address(void) { return inside->server.names[0]; }

void inside_connect(int *clients, size_t count) {
	peer_connect_all(inside_address(), clients, count);
}

bool inside_is_done(uint64_t ns) {
	struct pollfd done = {.fd = inside->server.done.fd, .events = POLLIN};
	return poll(&done, 1, (int)(ns / NS_PER_MS)) == 1;
}

void inside_expect_done(void) { assert_true(inside_is_done(PATIENCE)); }

static struct snapshot snapshot;

uint64_t inside_counter(enum counter counter) {
	server_snapshot(&inside->server, &snapshot);
	return snapshot.counter[counter];
}

uint64_t inside_gauge(enum gauge gauge) {
	server_snapshot(&inside->server, &snapshot);
	return snapshot.gauge[gauge];
}

void inside_expect_rest(size_t thread) {
	_Atomic uint32_t *steps = &inside->server.pulse[thread].steps;
	uint32_t before = atomic_load(steps);
	uint64_t begun = clock_now();
	wait_until(clock_now() - begun >= 200 * NS_PER_MS);
	uint32_t most = 6 + 4 * (uint32_t)((clock_now() - begun) / NS_PER_S);
	assert_in_range(atomic_load(steps) - before, 0, most); // two a round
}

// Bytes that the server has received and not sent.
static uint64_t withheld(void) {
	uint64_t sent = inside_counter(COUNTER_bytes_sent);
	return inside_counter(COUNTER_bytes_received) - sent;
}

bool inside_is_stuck(int client) {
	struct pollfd room = {.fd = client, .events = POLLOUT};
	if (poll(&room, 1, 10) == 1)
		return false;
	uint64_t before = withheld();
	bool waits = inside_gauge(GAUGE_connections_parked) == 1;
	for (unsigned i = 0; i < inside->config.workers; i++)
		waits = waits || inside->server.pool.workers[i].state == WORKER_BLOCKED;
	return waits && before > 0 && before == withheld() && poll(&room, 1, 0) == 0;
}
