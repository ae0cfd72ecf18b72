#include "server/service.h"

#include "echo/turn.h"
#include "server/server.h"

static uint64_t service_name(const struct work *work)
{
	return conn_of(work)->id;
}

static uint64_t service_active_at(const struct work *work)
{
	return atomic_load_explicit(&conn_of(work)->active_at, memory_order_relaxed);
}

static struct turn service_serve(struct work *work, struct worker *worker, void *context)
{
	const struct server *server = context;
	struct conn *conn = conn_of(work);
	atomic_store_explicit(&conn->worker, worker->id, memory_order_relaxed);
	return echo_turn(conn, &server->echo, worker);
}

static void service_leave(struct work *work, void *context)
{
	(void)context;
	atomic_store_explicit(&conn_of(work)->worker, 0, memory_order_relaxed);
}

// The reason that is counted. For an end by the peer it depends on whether bytes may be lost.
static enum close_reason refine(enum close_reason reason, const struct conn *conn,
				uint64_t received)
{
	if (reason != CLOSE_peer && reason != CLOSE_reset)
		return reason;
	if (received == 0)
		return CLOSE_probe;
	return reason == CLOSE_reset && conn_reset_is_harmless(conn) ? CLOSE_reset_ok : reason;
}

static void log_closed(struct log *log, uint64_t id, const struct conn_origin *origin,
		       enum close_reason reason, uint64_t received, uint64_t sent)
{
	char peer[ADDRESS_TEXT_SIZE];
	char local[ADDRESS_TEXT_SIZE];
	if (!log_wants(log, ECHOD_LOG_DEBUG))
		return;
	log_write(log, ECHOD_LOG_DEBUG, "closed",
		  LOG_FIELDS({"connection", .number = id},
			     {"peer", .text = conn_peer_text(origin, peer)},
			     {"local", .text = conn_local_text(origin, local)},
			     {"reason", .text = close_reason_name(reason)},
			     {"bytes_received", .number = received},
			     {"bytes_sent", .number = sent}),
		  "connection %llu closed (%s): %llu bytes received, %llu sent",
		  (unsigned long long)id, close_reason_name(reason), (unsigned long long)received,
		  (unsigned long long)sent);
}

static void service_close(struct work *work, enum close_reason reason, struct worker *worker,
			  void *context)
{
	struct server *server = context;
	struct conn *conn = conn_of(work);
	struct conn_origin origin = conn->origin;
	uint64_t id = conn->id;
	uint64_t received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed);
	uint64_t sent = atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed);
	// A failure on our side must not look like an orderly end.
	bool all_echoed = reason != CLOSE_error && conn_all_echoed(conn);
	reason = refine(reason, conn, received);

	pending_drop(&server->pending, conn);
	conn_table_remove(&server->conns, conn); // the last touch
	conn_close_fd(origin.fd, all_echoed);
	if (received == 0)
		counter_add(worker->stats, COUNTER_connections_silent, 1);
	counter_add(worker->stats, close_reason_counter(reason), 1);
	log_closed(server->log, id, &origin, reason, received, sent);
	admission_leave(&server->admission, &origin);
}

const struct pool_calls service_calls = {
	.name = service_name,
	.active_at = service_active_at,
	.serve = service_serve,
	.leave = service_leave,
	.close = service_close,
};
