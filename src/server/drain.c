#include "server/drain.h"

#include "base/clock.h"
#include "base/units.h"

void drain_sleep(struct server *server, uint64_t deadline)
{
	struct pollfd fd = {.fd = server->acceptor_waker.fd, .events = POLLIN};
	if (pulse_poll(&server->pulse[SERVER_THREAD_ACCEPTOR], &fd, 1, deadline) > 0)
		waker_clear(&server->acceptor_waker);
}

void drain_log_delay(const struct server *server)
{
	char text[16];
	uint64_t delay = server_drain_delay(server);
	if (delay == 0)
		return;
	log_write(server->log, ECHOD_LOG_INFO, "drain_delayed",
		  LOG_FIELDS({"delay_ms", .number = delay / NS_PER_MS}),
		  "not ready, and still accepting; draining in %s",
		  units_format_duration(delay, text, sizeof(text)));
}

void drain_log_begin(const struct server *server)
{
	char left[16];
	uint64_t deadline = atomic_load(&server->drain_deadline);
	uint64_t now = clock_now();
	if (deadline != CLOCK_NEVER)
		deadline = deadline > now ? deadline - now : 0;
	uint64_t open = admission_count(&server->admission);
	log_write(server->log, ECHOD_LOG_INFO, "draining",
		  LOG_FIELDS({"connections", .number = open},
			     {deadline == CLOCK_NEVER ? NULL : "time_left_ms",
			      .number = deadline / NS_PER_MS}),
		  "draining: %llu connection%s open, time left: %s", (unsigned long long)open,
		  log_plural(open), units_format_duration(deadline, left, sizeof(left)));
}

// Waits until the last connection has ended. Unless `all` is set, the drain's deadline ends the
// wait.
static void wait_for_connections(struct server *server, bool all)
{
	admission_notify(&server->admission, true);
	for (;;) {
		uint64_t deadline = all ? CLOCK_NEVER : atomic_load(&server->drain_deadline);
		if (admission_count(&server->admission) == 0 || clock_now() >= deadline)
			return;
		drain_sleep(server, deadline);
	}
}

// Returns how many there were.
static uint64_t abort_connections(struct server *server)
{
	uint64_t left = admission_count(&server->admission);
	if (left == 0)
		return 0;
	log_write(server->log, ECHOD_LOG_WARNING, "aborting",
		  LOG_FIELDS({"connections", .number = left}),
		  "time is up: aborting %llu connection%s", (unsigned long long)left,
		  log_plural(left));
	atomic_store_explicit(&server->echo.aborted, true, memory_order_release);
	waker_wake(&server->echo.abort_waker);
	conn_table_shut_reading(&server->conns);
	wait_for_connections(server, true);
	return left;
}

void drain_connections(struct server *server)
{
	wait_for_connections(server, false);
	uint64_t aborted = abort_connections(server);
	uint64_t accepted = atomic_load_explicit(&server->stats.threads[SERVER_THREAD_ACCEPTOR]
							  .counter[COUNTER_connections_accepted],
						 memory_order_relaxed);
	log_write(server->log, ECHOD_LOG_INFO, "stopped",
		  LOG_FIELDS({"connections_accepted", .number = accepted},
			     {"connections_aborted", .number = aborted}),
		  "stopped: %llu connection%s accepted, %llu aborted", (unsigned long long)accepted,
		  log_plural(accepted), (unsigned long long)aborted);
}
