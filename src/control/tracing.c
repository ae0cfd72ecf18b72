#include "control/tracing.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/units.h"
#include "pool/policy.h"
#include "server/service.h"

#define CLIENT_LIMIT (5 * NS_PER_S) // a trace that is not asked for within that time ends

// Of the picture, in pixels.
#define TOP 50
#define LANE_X(lane) (200 + 100 * (int)(lane))
#define TEXT_X (LANE_X(LANES) - 40)

enum lane { CLIENT, ACCEPTOR, QUEUE, WORKER, PARKING_LOT, LANES };

static const char *const lane_names[] = {"client", "acceptor", "queue", "worker", "parking lot"};

static const struct {
	enum lane from, to;
	const char *text, *unit;
} kinds[] = {
#define EVENT(name, from, to, text, unit) {from, to, text, unit},
#include "trace/events.def"
};

// An event as it is shown, after those before it.
struct row {
	struct trace_event event;
	uint64_t after;	   // ns since the event before
	char seconds[32];  // since the accept; empty if it was recorded with the event before
	char duration[16]; // since the event before
	char text[ADDRESS_TEXT_SIZE + 40];
};

// Reads the next event into `row`, which holds the one before, or nothing.
static bool read_row(struct trace *trace, uint64_t *next, struct row *row)
{
	uint64_t before = row->event.at;
	char text[ADDRESS_TEXT_SIZE] = "";
	const char *detail = text;
	if (!trace_read(trace, next, &row->event))
		return false;
	const struct trace_event *event = &row->event;
	const char *unit = kinds[event->kind].unit;
	row->after = before ? event->at - before : 0;
	*row->seconds = *row->duration = '\0';
	if (event->at != before)
		units_format_decimal(event->at - trace->origin.accepted_at, NS_PER_S, 6,
				     row->seconds, sizeof(row->seconds));
	if (row->after > 0)
		units_format_duration(row->after, row->duration, sizeof(row->duration));
	if (event->kind == TRACE_accepted)
		detail = conn_peer_text(&trace->origin, text);
	else if (event->kind == TRACE_closed)
		detail = close_reason_name((enum close_reason)event->value);
	else if (unit)
		snprintf(text, sizeof(text), "%" PRIu64, event->value);
	snprintf(row->text, sizeof(row->text), "%s%s%s", kinds[event->kind].text, detail,
		 unit ? unit : "");
	return true;
}

static void write_lines(struct trace *trace, FILE *out)
{
	struct row row = {.event.at = trace->told_at};
	while (read_row(trace, &trace->told, &row))
		fprintf(out, "%11s %10s  %s\n", row.seconds, row.duration, row.text);
	trace->told_at = row.event.at;
}

// Draws the events, or only measures if `out` is NULL. Returns the height.
static int draw_events(struct trace *trace, FILE *out)
{
	struct row row = {0};
	uint64_t next = 0;
	enum lane rest = CLIENT; // where the connection is
	int y = TOP;
	while (read_row(trace, &next, &row)) {
		enum lane from = kinds[row.event.kind].from, to = kinds[row.event.kind].to;
		int above = y;
		y += 16;
		for (uint64_t ns = row.after; ns >= NS_PER_US; ns /= 10)
			y += 5; // for each power of ten
		if (out && rest != CLIENT)
			fprintf(out, "<path class=\"rest\" d=\"M%d %dV%d\"/>\n", LANE_X(rest),
				above, y);
		if (out)
			fprintf(out,
				"<path %sd=\"M%d %dH%d\"/><text class=\"end\" x=\"80\" y=\"%d\">%s"
				"</text><text class=\"end\" x=\"150\" y=\"%d\">%s</text>"
				"<text x=\"%d\" y=\"%d\">%s</text>\n",
				from == to ? "" : "marker-end=\"url(#tip)\" ", LANE_X(from), y,
				LANE_X(to), y + 4, row.seconds, y + 4, row.duration, TEXT_X, y + 4,
				row.text);
		rest = to == CLIENT ? from : to;
	}
	return y + 20;
}

static void draw(struct trace *trace, FILE *out)
{
	int height = draw_events(trace, NULL);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n"
		"<title>connection %" PRIu64 "</title>\n"
		"<style>:root { color: #222; background: #fff }\n"
		"@media (prefers-color-scheme: dark) "
		"{ :root { color: #ddd; background: #1c1c1c } }\n"
		"text { font: 12px sans-serif; fill: currentColor }\n"
		"text.lane { text-anchor: middle; font-weight: bold } .end { text-anchor: end }\n"
		"path { stroke: currentColor } #tip path { fill: currentColor }\n"
		"path.lane { stroke-opacity: 0.3 } .rest { stroke: #4a90d9; stroke-width: 6 }\n"
		"</style>\n"
		"<marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"9\" refY=\"4\" "
		"orient=\"auto\"><path d=\"M0 0L9 4L0 8z\"/></marker>\n"
		"<text class=\"end\" x=\"80\" y=\"24\">seconds</text>"
		"<text class=\"end\" x=\"150\" y=\"24\">after</text>\n",
		TEXT_X + 320, height, atomic_load(&trace->id));
	for (enum lane lane = CLIENT; lane < LANES; lane++)
		fprintf(out,
			"<text class=\"lane\" x=\"%d\" y=\"24\">%s</text>"
			"<path class=\"lane\" d=\"M%d 34V%d\"/>\n",
			LANE_X(lane), lane_names[lane], LANE_X(lane), height - 10);
	draw_events(trace, out);
	fputs("</svg>\n", out);
}

// Lets workers look for traces only while there are any.
static void choose_serve(struct server *server)
{
	bool is_traced = false;
	for (size_t i = 0; i < TRACES_MAX; i++)
		is_traced |= atomic_load(&server->traces[i].id) != 0;
	atomic_store(&server->pool.config.serve, service_serve_for(server, is_traced));
}

static void end_trace(struct server *server, struct trace *trace)
{
	trace_end(trace);
	if (trace->recalls)
		policy_follow_cpus(&server->pool);
	choose_serve(server);
}

void tracing_expire(struct server *server, uint64_t now)
{
	for (size_t i = 0; i < TRACES_MAX; i++) {
		struct trace *trace = &server->traces[i];
		if (atomic_load(&trace->id) && now > trace->asked_at + CLIENT_LIMIT)
			end_trace(server, trace);
	}
}

// The slot of the open connection with this id; SIZE_MAX: there is none.
static size_t find_open(struct server *server, uint64_t id, struct conn_info *info)
{
	for (size_t slot = 0, next = 0;; slot = next) {
		if (conn_table_copy(&server->conns, &next, info, 1) && info->id == id)
			return slot;
		if (next == slot)
			return SIZE_MAX;
	}
}

// A connection that was open when its trace began may have a worker that does not look for traces.
// It does when it has parked the connection, which it has to soon if none may wait for its client.
static void recall(struct server *server, struct trace *trace)
{
	struct conn_info info;
	size_t slot = trace->slot;
	if (slot == SIZE_MAX)
		return;
	if (!conn_table_copy(&server->conns, &slot, &info, 1) ||
	    info.id != atomic_load(&trace->id)) {
		trace_miss(trace);
		return;
	}
	bool recalls = info.worker && atomic_load(&trace->total) <= 2; // none has recorded any
	if (recalls)
		atomic_store(&server->pool.dedicated_max, 0);
	else if (trace->recalls)
		policy_follow_cpus(&server->pool);
	trace->recalls = recalls;
}

enum status tracing_answer(struct server *server, uint64_t id, bool is_picture, FILE *out)
{
	struct conn_info info;
	size_t slot = SIZE_MAX;
	struct trace *trace = id ? trace_find(server->traces, id) : NULL;
	if (!trace && id && (slot = find_open(server, id, &info)) == SIZE_MAX) {
		fprintf(out, "trace: no connection %" PRIu64 " is open\n", id);
		return STATUS_NOT_FOUND;
	}
	if (!trace) {
		atomic_store(&server->pool.config.serve, service_serve_for(server, true));
		trace = trace_begin(server->traces, id ? &info : NULL, &server->conns);
		if (!trace) {
			choose_serve(server);
			fprintf(out, "trace: there are %d already\n", TRACES_MAX);
			return STATUS_BUSY;
		}
		trace->slot = slot;
		if (!is_picture)
			fprintf(out, "connection %" PRIu64 "\n    seconds      after  event\n",
				atomic_load(&trace->id));
	}
	recall(server, trace);
	trace->asked_at = clock_now();
	bool is_over = atomic_load(&trace->is_over);
	if (is_picture)
		draw(trace, out);
	else
		write_lines(trace, out);
	if (is_over)
		end_trace(server, trace);
	return is_over ? STATUS_ENDED : STATUS_OK;
}
