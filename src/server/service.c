#include "server/service.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "echo/turn.h"
#include "fault/turn.h"
#include "net/socket.h"
#include "server/server.h"

static struct turn serve_plainly(struct work *work, struct worker *worker, void *context)
{
	struct server *server = context;
	return echo_turn(conn_of(work), worker, &server->echo);
}

static struct fault_plan *plan_of(struct server *server, const struct conn *conn)
{
	return &server->faults.plans[conn - server->conns.slots];
}

static struct turn serve_faulty(struct work *work, struct worker *worker, void *context)
{
	struct server *server = context;
	struct conn *conn = conn_of(work);
	return conn->origin.faults ? fault_turn(conn, plan_of(server, conn), &server->faults,
						&server->echo, worker)
				   : echo_turn(conn, worker, &server->echo);
}

// Whether a reset by its peer cost nothing, as far as can be known: nothing that came in is left
// unread or unsent, and what went out is acknowledged except for one segment at most, whose
// acknowledgement the peer may be delaying. Over AF_UNIX a reset says that the peer left bytes
// unread.
static bool is_harmless_reset(const struct conn *conn)
{
	int fd = conn->work.fd;
	int unread = 0;
	int unacknowledged = 0;
	int segment = 0;
	socklen_t size = sizeof(segment);
	return conn_all_echoed(conn) && conn->origin.local.any.sa_family != AF_UNIX &&
	       ioctl(fd, SIOCINQ, &unread) == 0 && unread == 0 &&
	       getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, &size) == 0 &&
	       ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged <= segment;
}

// The reason that is counted. For an end by the peer it depends on whether bytes may be lost.
static enum close_reason refine(enum close_reason reason, const struct conn *conn,
				uint64_t received)
{
	if (reason != CLOSE_peer && reason != CLOSE_reset)
		return reason;
	if (received == 0)
		return CLOSE_probe;
	return reason == CLOSE_reset && is_harmless_reset(conn) ? CLOSE_reset_ok : reason;
}

static struct turn serve_traced(struct work *work, struct worker *worker, void *context)
{
	struct server *server = context;
	const struct conn *conn = conn_of(work);
	struct trace *trace = trace_find(server->traces, work->id);
	if (!trace)
		return serve_faulty(work, worker, context);
	bool more_queued = worker->more_queued;
	trace_turn_begins(trace, conn, worker);
	worker->more_queued = true;
	struct turn turn = serve_faulty(work, worker, context);
	worker->more_queued = more_queued;
	uint64_t received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed);
	trace_turn_ends(trace, conn, turn.end,
			turn.end == TURN_CLOSE ? refine(turn.reason, conn, received) : 0);
	return turn;
}

serve_function *service_serve_for(const struct server *server, bool is_traced)
{
	return is_traced ? serve_traced : server->faults.plans ? serve_faulty : serve_plainly;
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

// Of an end for `reason` that is counted as `counted`.
static void note_in_ledger(struct server *server, const struct conn *conn, enum close_reason reason,
			   enum close_reason counted, bool resets)
{
	struct ledger_entry entry;
	if (!server->ledger.size)
		return;
	ledger_describe(&entry, conn, reason, resets);
	entry.reason = counted;
	if (conn->origin.faults) {
		const struct fault_plan *plan = plan_of(server, conn);
		entry.faults = plan->receipt;
		entry.peer_end = plan->peer_ended ? LEDGER_END_FIN : entry.peer_end;
	}
	ledger_add(&server->ledger, &entry);
}

void service_close(struct work *work, enum close_reason reason, struct worker *worker,
		   void *context)
{
	struct server *server = context;
	struct conn *conn = conn_of(work);
	struct conn_origin origin = conn->origin;
	uint64_t id = work->id;
	uint64_t received = atomic_load_explicit(&conn->bytes_received, memory_order_relaxed);
	uint64_t sent = atomic_load_explicit(&conn->bytes_sent, memory_order_relaxed);
	// A failure on our side must not look like an orderly end.
	bool all_echoed = reason != CLOSE_error &&
			  (origin.faults ? fault_ends_in_order(conn, plan_of(server, conn), reason)
					 : conn_all_echoed(conn));
	enum close_reason counted = refine(reason, conn, received);
	// While it is in the table, so that a list of both cannot miss it.
	note_in_ledger(server, conn, reason, counted, !all_echoed);

	unsent_drop(&server->echo, conn);
	conn_table_remove(&server->conns, conn); // the last touch
	socket_close(origin.fd, all_echoed, server->config.is_guest);
	if (received == 0)
		counter_add(worker->stats, COUNTER_connections_silent, 1);
	counter_add(worker->stats, close_reason_counter(counted), 1);
	by_listener_add(&server->by_listener, origin.listener, LISTENER_bytes_received, received);
	by_listener_add(&server->by_listener, origin.listener, LISTENER_bytes_sent, sent);
	by_listener_add(&server->by_listener, origin.listener, LISTENER_connections_closed, 1);
	log_closed(server->log, id, &origin, counted, received, sent);
	admission_leave(&server->admission, &origin);
}
