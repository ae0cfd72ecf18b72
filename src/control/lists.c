#include "control/lists.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/first_bytes.h"
#include "base/json_text.h"
#include "base/units.h"

#define CHUNK 64 // connections copied under one lock of their table

struct list_kind {
	const char *name; // in JSON
	void (*write_heading)(FILE *out);

	// Writes the next few rows. Returns whether there may be more.
	bool (*write_rows)(struct list *list, struct server *server, FILE *out);
};

// A time in at most five characters.
static const char *brief_time(uint64_t ns, char *text, size_t size)
{
	static const struct units_step steps[] = {
		{"ms", NS_PER_MS, 0, 1000},
		{"s", NS_PER_S, 1, 100},
		{"m", 60 * NS_PER_S, 0, 100},
		{"h", 3600 * NS_PER_S, 0, 0},
	};
	return units_format(ns, steps, text, size);
}

// A size in at most five characters.
static const char *brief_size(uint64_t bytes, char *text, size_t size)
{
	static const struct units_step steps[] = {
#define SIZE_STEPS(suffix, shift) \
	{suffix, UINT64_C(1) << (shift), 1, 100}, {suffix, UINT64_C(1) << (shift), 0, 1000}
		{"", 1, 0, 1000},
		SIZE_STEPS("K", 10),
		SIZE_STEPS("M", 20),
		SIZE_STEPS("G", 30),
		SIZE_STEPS("T", 40),
		SIZE_STEPS("P", 50),
		{"E", UINT64_C(1) << 60, 1, 0},
#undef SIZE_STEPS
	};
	return units_format(bytes, steps, text, size);
}

// The time since `then`; 0 if `then` is later: a worker has gone on since `now` was read.
static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

// State and worker are read one after the other. If they disagree, the worker is more recent.
static const char *state_name(const struct conn_info *info)
{
	if (info->worker)
		return "serving";
	return info->state == WORK_PARKED ? "parked" : "queued";
}

static void connection_text(const struct conn_info *info, uint64_t now, FILE *out)
{
	char peer[ADDRESS_TEXT_SIZE];
	char local[ADDRESS_TEXT_SIZE];
	char state[16];
	char times[2][24];
	char sizes[2][24];
	if (info->worker)
		snprintf(state, sizeof(state), "work-%u", info->worker);
	else
		snprintf(state, sizeof(state), "%s", state_name(info));
	snprintf(local, sizeof(local), "%s", conn_local_text(&info->origin, peer));
	error_make_line(local); // a path may have any byte
	char faults[FAULT_SET_TEXT_SIZE];
	fprintf(out, "%5" PRIu64 " %-21s %-21s %-7s %5s %5s %5s %5s%s%s\n", info->id,
		conn_peer_text(&info->origin, peer), local, state,
		brief_time(since(now, info->origin.accepted_at), times[0], sizeof(times[0])),
		brief_time(since(now, info->active_at), times[1], sizeof(times[1])),
		brief_size(info->bytes_received, sizes[0], sizeof(sizes[0])),
		brief_size(info->bytes_sent, sizes[1], sizeof(sizes[1])),
		info->origin.faults ? " " : "", fault_kinds_format(info->origin.faults, faults));
}

static void connections_heading(FILE *out)
{
	fprintf(out, "%5s %-21s %-21s %-7s %5s %5s %5s %5s\n", "id", "peer", "local", "state",
		"age", "idle", "recvd", "sent");
}

static json_t *seconds_json(uint64_t ns)
{
	return json_finite(clock_seconds(ns));
}

static json_t *connection_json(const struct conn_info *info, uint64_t now)
{
	char text[ADDRESS_TEXT_SIZE];
	char faults[FAULT_SET_TEXT_SIZE];
	json_t *object = json_object();
	json_put(&object, "id", json_integer((json_int_t)info->id));
	json_put(&object, "peer", json_text(conn_peer_text(&info->origin, text)));
	json_put(&object, "local", json_text(conn_local_text(&info->origin, text)));
	json_put(&object, "state", json_text(state_name(info)));
	json_put(&object, "worker",
		 info->worker ? json_integer((json_int_t)info->worker) : json_null());
	json_put(&object, "age_seconds", seconds_json(since(now, info->origin.accepted_at)));
	json_put(&object, "idle_seconds", seconds_json(since(now, info->active_at)));
	json_put(&object, "bytes_received", json_integer((json_int_t)info->bytes_received));
	json_put(&object, "bytes_sent", json_integer((json_int_t)info->bytes_sent));
	if (info->origin.faults)
		json_put(&object, "faults",
			 json_text(fault_kinds_format(info->origin.faults, faults)));
	return object;
}

static void write_object(struct list *list, json_t *row, FILE *out)
{
	fputs(list->rows ? ",\n  " : "\n  ", out);
	list->failed |= json_dumpf(row, out, JSON_REAL_PRECISION(15)) != 0;
	json_decref(row);
}

static bool write_connections(struct list *list, struct server *server, FILE *out)
{
	struct conn_info infos[CHUNK];
	uint64_t now = clock_now();
	size_t before = list->next;
	size_t count = conn_table_copy(&server->conns, &list->next, infos, CHUNK);
	for (size_t i = 0; i < count; i++, list->rows++) {
		list->truncated = list->rows == list->most;
		if (list->truncated)
			return false;
		if (list->json)
			write_object(list, connection_json(&infos[i], now), out);
		else
			connection_text(&infos[i], now, out);
	}
	return list->next != before;
}

static void workers_heading(FILE *out)
{
	fprintf(out, "%-9s %-8s %6s %11s %11s\n", "worker", "state", "for", "connection", "served");
}

static const char *const worker_states[WORKER_STATES] = {"waiting", "leading", "serving", "polling",
							 "blocked"};

// The state that the worker shows. Each value is read by itself.
static void worker_text(const struct worker *worker, uint64_t now, FILE *out)
{
	uint64_t serving = atomic_load(&worker->serving);
	char name[16];
	char time[24];
	char connection[24] = "-";
	snprintf(name, sizeof(name), "work-%u", worker->id % 10000);
	if (serving)
		snprintf(connection, sizeof(connection), "%" PRIu64, serving);
	fprintf(out, "%-9s %-8s %6s %11s %11" PRIu64 "\n", name,
		worker_states[atomic_load(&worker->state)],
		brief_time(since(now, atomic_load(&worker->since)), time, sizeof(time)), connection,
		atomic_load(&worker->served));
}

static json_t *worker_json(const struct worker *worker, uint64_t now)
{
	uint64_t serving = atomic_load(&worker->serving);
	json_t *object = json_object();
	json_put(&object, "id", json_integer((json_int_t)worker->id));
	json_put(&object, "state", json_text(worker_states[atomic_load(&worker->state)]));
	json_put(&object, "for_seconds", seconds_json(since(now, atomic_load(&worker->since))));
	json_put(&object, "connection", serving ? json_integer((json_int_t)serving) : json_null());
	json_put(&object, "served", json_integer((json_int_t)atomic_load(&worker->served)));
	return object;
}

static bool write_workers(struct list *list, struct server *server, FILE *out)
{
	uint64_t now = clock_now();
	size_t count = server->config.workers;
	for (size_t end = list->next + CHUNK; list->next < end && list->next < count;
	     list->next++, list->rows++) {
		const struct worker *worker = &server->pool.workers[list->next];
		if (list->json)
			write_object(list, worker_json(worker, now), out);
		else
			worker_text(worker, now, out);
	}
	return list->next < count;
}

static void ledger_heading(FILE *out)
{
	fprintf(out, "%5s %-21s %-21s %-7s %-8s %4s %4s %5s %5s %5s %6s %5s\n", "id", "peer",
		"local", "ender", "reason", "peer", "own", "age", "recvd", "sent", "rtt us",
		"retr");
}

static const char *const ends[] = {
	[LEDGER_END_NONE] = NULL, [LEDGER_END_FIN] = "FIN", [LEDGER_END_RST] = "RST"};

static const char *end_text(enum ledger_end end)
{
	return ends[end] ? ends[end] : "-";
}

static const char *fact_text(uint64_t fact, uint64_t unit, char *text, size_t size)
{
	if (fact == FACT_UNKNOWN)
		return "?";
	snprintf(text, size, "%" PRIu64, fact / unit);
	return text;
}

static void entry_text(const struct ledger_entry *entry, uint64_t now, FILE *out)
{
	const struct conn_info *info = &entry->info;
	bool open = !entry->closed_at;
	char peer[ADDRESS_TEXT_SIZE];
	char local[ADDRESS_TEXT_SIZE];
	char texts[5][24];
	snprintf(local, sizeof(local), "%s", conn_local_text(&info->origin, peer));
	error_make_line(local); // a path may have any byte
	fprintf(out, "%5" PRIu64 " %-21s %-21s %-7s %-8s %4s %4s %5s %5s %5s %6s %5s\n", info->id,
		conn_peer_text(&info->origin, peer), local,
		open ? "-" : ledger_ended_by(entry->reason),
		open ? "open" : close_reason_name(entry->reason), end_text(entry->peer_end),
		end_text(entry->own_end),
		brief_time(since(open ? now : entry->closed_at, info->origin.accepted_at), texts[0],
			   sizeof(texts[0])),
		brief_size(info->bytes_received, texts[1], sizeof(texts[1])),
		brief_size(info->bytes_sent, texts[2], sizeof(texts[2])),
		open ? "-" : fact_text(entry->tcp.rtt, NS_PER_US, texts[3], sizeof(texts[3])),
		open ? "-" : fact_text(entry->tcp.retransmits, 1, texts[4], sizeof(texts[4])));
}

static json_t *fact_json(uint64_t fact, bool is_time)
{
	if (fact == FACT_UNKNOWN)
		return json_null();
	return is_time ? seconds_json(fact) : json_integer((json_int_t)fact);
}

static json_t *text_or_null(const char *text)
{
	return text ? json_text(text) : json_null();
}

static void add_faults(json_t **object, const struct fault_receipt *receipt)
{
	json_t *counts = json_object();
	for (int kind = 0; kind < INJECTIONS; kind++) {
		if (receipt->count[kind] > 0)
			json_put(&counts, injection_name((enum injection)kind),
				 json_integer(receipt->count[kind]));
	}
	json_put(object, "faults", counts);
	json_put(object, "fault", json_text(receipt->last));
	json_put(object, "fault_offset", json_integer((json_int_t)receipt->last_at));
}

// What is known of a connection from its end.
static void add_end(json_t **object, const struct ledger_entry *entry)
{
	const struct tcp_facts *tcp = &entry->tcp;
	const struct {
		const char *name;
		uint64_t value;
		bool is_time;
	} facts[] = {
		{"unread_bytes", tcp->unread, false},
		{"unacknowledged_bytes", tcp->unacknowledged, false},
		{"retransmits", tcp->retransmits, false},
		{"rtt_seconds", tcp->rtt, true},
		{"rtt_min_seconds", tcp->rtt_min, true},
		{"busy_seconds", tcp->busy, true},
		{"rwnd_limited_seconds", tcp->rwnd_limited, true},
		{"sndbuf_limited_seconds", tcp->sndbuf_limited, true},
	};
	bool open = !entry->closed_at;
	json_put(object, "ended_by", text_or_null(open ? NULL : ledger_ended_by(entry->reason)));
	json_put(object, "reason", text_or_null(open ? NULL : close_reason_name(entry->reason)));
	json_put(object, "peer_end", text_or_null(ends[entry->peer_end]));
	json_put(object, "own_end", text_or_null(ends[entry->own_end]));
	if (entry->faults.last)
		add_faults(object, &entry->faults);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		json_put(object, facts[i].name,
			 open ? json_null() : fact_json(facts[i].value, facts[i].is_time));
}

static json_t *entry_json(const struct ledger_entry *entry, const struct server *server)
{
	const struct conn_info *info = &entry->info;
	const struct conn_origin *origin = &info->origin;
	char text[ADDRESS_TEXT_SIZE];
	bool told = origin->proxy.any.sa_family != AF_UNSPEC;
	uint64_t accepted = origin->accepted_at - server->started_at + server->start_time;
	json_t *object = json_object();
	json_put(&object, "id", json_integer((json_int_t)info->id));
	json_put(&object, "peer", json_text(conn_peer_text(origin, text)));
	json_put(&object, "local", json_text(conn_local_text(origin, text)));
	json_put(&object, "proxy",
		 text_or_null(told ? inet_end_format(&origin->proxy, text) : NULL));
	json_put(&object, "listener", json_text(origin->local_name));
	json_put(&object, "accepted_time_seconds", seconds_json(accepted));
	json_put(&object, "first_byte_seconds",
		 info->first_at ? seconds_json(since(info->first_at, origin->accepted_at))
				: json_null());
	json_put(&object, "last_byte_seconds",
		 info->bytes_received ? seconds_json(since(info->active_at, origin->accepted_at))
				      : json_null());
	json_put(&object, "closed_seconds",
		 entry->closed_at ? seconds_json(since(entry->closed_at, origin->accepted_at))
				  : json_null());
	json_put(&object, "bytes_received", json_integer((json_int_t)info->bytes_received));
	json_put(&object, "bytes_sent", json_integer((json_int_t)info->bytes_sent));
	snprintf(text, sizeof(text), "%014" PRIx64, first_bytes_hash(info->first));
	json_put(&object, "first_bytes", json_integer(first_bytes_count(info->first)));
	json_put(&object, "first_hash", text_or_null(info->first ? text : NULL));
	add_end(&object, entry);
	return object;
}

// Those that are open come first: one that closes meanwhile is then in the ring.
static bool write_ledger(struct list *list, struct server *server, FILE *out)
{
	struct ledger_entry entries[CHUNK];
	struct conn_info infos[CHUNK];
	uint64_t now = clock_now();
	size_t before = list->next;
	size_t count = list->last ? 0 : conn_table_copy(&server->conns, &list->next, infos, CHUNK);
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct ledger_entry){.info = infos[i]};
	if (list->next == before) {
		if (!list->last)
			list->last = ledger_total(&server->ledger);
		count = ledger_copy(&server->ledger, &list->entry, entries, CHUNK);
	}
	for (size_t i = 0; i < count; i++, list->rows++) {
		if (list->json)
			write_object(list, entry_json(&entries[i], server), out);
		else
			entry_text(&entries[i], now, out);
	}
	return list->next != before || list->entry < list->last;
}

static const struct list_kind kinds[] = {
	[LIST_CONNECTIONS] = {"connections", connections_heading, write_connections},
	[LIST_WORKERS] = {"workers", workers_heading, write_workers},
	[LIST_LEDGER] = {"ledger", ledger_heading, write_ledger},
};

void list_begin(struct list *list, enum list_subject subject, bool json, FILE *out)
{
	*list = (struct list){.kind = &kinds[subject], .json = json, .most = SIZE_MAX};
	if (json)
		fprintf(out, "{\"schema\": 1, \"%s\": [", list->kind->name);
	else
		list->kind->write_heading(out);
}

void list_write(struct list *list, struct server *server, FILE *out)
{
	if (list->kind->write_rows(list, server, out))
		return;
	if (list->json && list->most == SIZE_MAX)
		fputs("\n]}\n", out);
	else if (list->json)
		fprintf(out, "\n], \"truncated\": %s}\n", list->truncated ? "true" : "false");
	list->kind = NULL;
}
