#include "server/server.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "base/clock.h"
#include "server/acceptor.h"
#include "server/listeners.h"
#include "server/service.h"
#include "stats/memory.h"

// Descriptors that are not for connections: standard streams, wakers, the control socket and its
// clients, a connection accepted to be reset, and some for the program itself. Listeners are extra.
#define RESERVED_DESCRIPTORS 40

// The limit on connections: the configured one, or as many as the descriptor limit allows.
static int decide_limit(struct server *server, struct echod_error *error)
{
	struct rlimit descriptors;
	if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "cannot read the limit on open descriptors: %s",
				 error_text(errno));
	uint64_t reserved = RESERVED_DESCRIPTORS + server->config.spare_descriptors +
			    server->config.listen_count + server->config.inherited_count;
	uint64_t wanted = server->config.max_connections;
	uint64_t least = (wanted ? wanted : 1) + reserved;
	if (descriptors.rlim_cur < least)
		return error_set(
			error, ECHOD_ERROR_SYSTEM,
			"the limit on open descriptors is too low: %llu connections take %llu, "
			"allowed are %llu (see ulimit -n)",
			(unsigned long long)(wanted ? wanted : 1), (unsigned long long)least,
			(unsigned long long)descriptors.rlim_cur);
	uint64_t most = descriptors.rlim_cur - reserved;
	if (server->config.is_guest)
		most = most / 2 + most % 2;
	if (most > CONFIG_MAX_CONNECTIONS)
		most = CONFIG_MAX_CONNECTIONS;
	server->config.max_connections = wanted ? wanted : most;
	return 0;
}

void server_set_patience(const struct server *server, int fd)
{
	const struct server_config *config = &server->config;
	uint64_t limit =
		config->patience < config->idle_timeout ? config->patience : config->idle_timeout;
	struct timeval time = clock_timeval(limit);
	if (limit != CLOCK_NEVER && limit > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

static int open_wakers(struct server *server, struct echod_error *error)
{
	if (waker_open(&server->acceptor_waker, error) != 0 ||
	    waker_open(&server->echo.abort_waker, error) != 0 ||
	    waker_open(&server->done, error) != 0)
		return -1;
	return 0;
}

static void close_wakers(struct server *server)
{
	waker_close(&server->acceptor_waker);
	waker_close(&server->echo.abort_waker);
	waker_close(&server->done);
}

// Reserves the memory for the connections.
static int reserve(struct server *server, struct echod_error *error)
{
	uint64_t limit = server->config.max_connections;
	if (stats_open(&server->stats, SERVER_FIXED_THREADS + server->config.workers, error) != 0)
		return -1;
	if (conn_table_open(&server->conns, (size_t)limit, error) != 0) {
		stats_close(&server->stats);
		return -1;
	}
	if (ledger_open(&server->ledger, server->config.ledger, error) != 0 ||
	    admission_open(&server->admission, limit, server->config.max_per_source,
			   server->config.source_prefix6, &server->acceptor_waker, error) != 0) {
		ledger_close(&server->ledger);
		conn_table_close(&server->conns);
		stats_close(&server->stats);
		return -1;
	}
	return 0;
}

static int open_proxy_wait(struct server *server, struct echod_error *error)
{
	bool is_wanted = false;
	for (size_t i = 0; i < server->listener_count; i++)
		is_wanted = is_wanted || server->trusts[i];
	return is_wanted ? proxy_wait_open(&server->proxy_wait, &server->admission, error) : 0;
}

int server_build(struct server *server, const struct server_config *config, struct log *log,
		 struct echod_error *error)
{
	memset(server, 0, sizeof(*server));
	server->config = *config;
	server->log = log;
	server->started_at = clock_now();
	server->start_time = clock_wall();
	atomic_init(&server->drain_at, CLOCK_NEVER);
	server->acceptor_waker = server->echo.abort_waker = server->done = WAKER_NONE;
	server->proxy_wait = PROXY_WAIT_NONE;
	if (decide_limit(server, error) != 0)
		return -1;
	if (open_wakers(server, error) == 0 && listeners_bind(server, error) == 0 &&
	    open_proxy_wait(server, error) == 0 &&
	    faults_open(&server->faults, (size_t)server->config.max_connections, log, error) == 0 &&
	    reserve(server, error) == 0) {
		gate_init(&server->acceptor_ready);
		for (size_t i = 0; i < TRACES_MAX; i++)
			pthread_mutex_init(&server->traces[i].lock, NULL);
		return 0;
	}
	faults_close(&server->faults);
	proxy_wait_close(&server->proxy_wait);
	listeners_close(server);
	close_wakers(server);
	return -1;
}

int server_start(struct server *server, struct echod_error *error)
{
	const struct server_config *config = &server->config;
	server->echo.unsent_limit = config->unsent_limit;
	struct pool_config pool = {
		.workers = config->workers,
		.buffer_size = config->buffer_size,
		.capacity = (size_t)config->max_connections,
		.patience = config->patience,
		.spin = config->spin,
		.idle_timeout = config->idle_timeout,
		.send_timeout = config->send_timeout,
		.stats = &server->stats.threads[SERVER_FIXED_THREADS],
		.serve = service_serve_for(server, false),
		.close = service_close,
		.context = server,
	};
	if (pool_start(&server->pool, &pool, error) != 0)
		return -1;
	if (thread_start(&server->acceptor, "echod/accept", acceptor_run, server, error) != 0) {
		pool_close(&server->pool);
		pool_join(&server->pool);
		pool_free(&server->pool);
		return -1;
	}
	gate_wait(&server->acceptor_ready, 1);
	return 0;
}

// From here on the listeners belong to the acceptor.
static void release_acceptor(struct server *server)
{
	atomic_store(&server->started, true);
	waker_wake(&server->acceptor_waker);
}

int server_open(struct server *server, struct echod_error *error)
{
	if (listeners_open(server, error) != 0)
		return -1;
	release_acceptor(server);
	return 0;
}

void server_drain(struct server *server, uint64_t delay, uint64_t timeout)
{
	uint64_t begin = clock_deadline(delay);
	uint64_t before = atomic_load(&server->drain_at);
	while (begin < before && !atomic_compare_exchange_weak(&server->drain_at, &before, begin))
		;
	uint64_t left = before < begin ? server_drain_delay(server) : delay;
	if (timeout < CLOCK_NEVER - left)
		timeout += left;
	atomic_store(&server->drain_deadline, clock_deadline(timeout));
	atomic_store(&server->draining, true);
	waker_wake(&server->acceptor_waker);
}

uint64_t server_drain_delay(const struct server *server)
{
	uint64_t now = clock_now();
	uint64_t until = atomic_load(&server->drain_at);
	return until != CLOCK_NEVER && until > now ? until - now : 0;
}

void server_hurry(struct server *server)
{
	uint64_t deadline = atomic_load(&server->drain_deadline);
	uint64_t timeout =
		deadline == CLOCK_NEVER ? CLOCK_NEVER : deadline - atomic_load(&server->drain_at);
	server_drain(server, 0, server_drain_delay(server) > 0 ? timeout : 0);
}

bool server_ready(struct server *server, const char **reason)
{
	if (atomic_load(&server->draining))
		*reason = "draining";
	else if (!atomic_load(&server->started))
		*reason = "starting";
	else
		*reason = admission_obstacle(&server->admission);
	return !*reason;
}

void server_join(struct server *server)
{
	if (!atomic_load(&server->started)) { // the listeners were never opened: no client gets in
		listeners_close(server);
		release_acceptor(server);
	}
	int failed = pthread_join(server->acceptor, NULL);
	ensure(!failed);
	pool_join(&server->pool);
}

void server_free(struct server *server)
{
	if (server->pool.workers)
		pool_free(&server->pool);
	listeners_close(server);
	proxy_wait_close(&server->proxy_wait);
	faults_close(&server->faults);
	for (size_t i = 0; i < TRACES_MAX; i++) {
		if (atomic_load(&server->traces[i].id))
			trace_end(&server->traces[i]);
		pthread_mutex_destroy(&server->traces[i].lock);
	}
	admission_close(&server->admission);
	ledger_close(&server->ledger);
	conn_table_close(&server->conns);
	stats_close(&server->stats);
	gate_destroy(&server->acceptor_ready);
	close_wakers(server);
}

void server_snapshot(struct server *server, struct snapshot *snapshot)
{
	server_sample(server, snapshot);
	by_listener_sum(&server->by_listener, &server->conns, snapshot);
}

void server_sample(struct server *server, struct snapshot *snapshot)
{
	uint64_t workers = server->config.workers;
	stats_sum(&server->stats, workers, snapshot);
	const struct work_queue *queue = &server->pool.queue;
	struct memory_use memory = memory_use();
	uint64_t unsent = atomic_load_explicit(&server->echo.unsent, memory_order_relaxed);
	uint64_t unsent_max = atomic_load_explicit(&server->echo.unsent_max, memory_order_relaxed);
	uint64_t busy = snapshot->gauge[GAUGE_connections_serving];
	snapshot->counter[COUNTER_cpu_seconds] = clock_cpu();
	snapshot->counter[COUNTER_log_lines_dropped] =
		atomic_load_explicit(&server->log->dropped, memory_order_relaxed);
	snapshot->counter[COUNTER_wakes_withheld] = atomic_load(&queue->wakes_withheld);
	snapshot->counter[COUNTER_parks_refused] = atomic_load(&server->pool.lot.refused);
	snapshot->gauge[GAUGE_connections_limit] = server->config.max_connections;
	snapshot->gauge[GAUGE_connections_awaiting_header] = admission_reserved(&server->admission);
	snapshot->gauge[GAUGE_unsent_bytes] = unsent;
	// A worker adds first and then raises the maximum, so the maximum may be behind.
	snapshot->gauge[GAUGE_unsent_bytes_max] = unsent > unsent_max ? unsent : unsent_max;
	snapshot->gauge[GAUGE_queue_depth] = atomic_load(&queue->depth);
	snapshot->gauge[GAUGE_queue_depth_max] = atomic_load(&queue->depth_max); // after the depth
	snapshot->gauge[GAUGE_workers] = workers;
	snapshot->gauge[GAUGE_workers_busy] = busy;
	snapshot->gauge[GAUGE_workers_idle] = workers - busy;
	snapshot->gauge[GAUGE_cpus] = atomic_load(&queue->cpus);
	snapshot->gauge[GAUGE_faults_active] = faults_active(&server->faults);
	snapshot->gauge[GAUGE_draining] = atomic_load(&server->draining);
	const char *reason;
	snapshot->gauge[GAUGE_ready] = server_ready(server, &reason); // after GAUGE_draining
	snapshot->gauge[GAUGE_memory_allocated_bytes] = memory.allocated;
	snapshot->gauge[GAUGE_memory_resident_bytes] = memory.resident;
	snapshot->gauge[GAUGE_start_time_seconds] = server->start_time;
	snapshot->gauge[GAUGE_uptime_seconds] = snapshot->taken - server->started_at;
}
