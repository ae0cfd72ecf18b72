#include "ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/first_bytes.h"
#include "base/json_text.h"
#include "base/log.h"
#include "control/client.h"
#include "echoload/verify/payload.h"
#include "fault/set.h"

#define ANSWER_TIME (5 * NS_PER_S)
#define LEAST_FIRST 8 // first bytes that can tell a connection from others
#define LEDGER_ERRORS 1000
// How long is waited for a server that has not noticed yet that a connection is over.
#define OPEN_TRIES 10
#define OPEN_PAUSE (50 * NS_PER_MS)

static uint64_t count_in(const json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

// NULL: null.
static const char *text_in(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

// Of the rows of each key the last one that no connection has found yet: a port may have been used
// before, and a row that has closed comes later.
struct join {
	struct payload payload;
	json_t *rows;	 // by what their first bytes are, or else by the peer's address
	uint64_t counts; // of first bytes, a bit for each
};

static void index_rows(struct join *join, const json_t *rows, bool verify)
{
	json_t *row;
	size_t index;
	char key[40];
	json_array_foreach(rows, index, row)
	{
		uint64_t count = count_in(row, "first_bytes");
		const char *hash = text_in(row, "first_hash"), *peer = text_in(row, "peer");
		bool told = verify && hash && count >= LEAST_FIRST && count <= FIRST_BYTES;
		snprintf(key, sizeof(key), "%.14s/%" PRIu64, hash ? hash : "", count);
		join->counts |= told ? UINT64_C(1) << (count - 1) : 0;
		json_object_set(join->rows, told ? key : peer ? peer : "", row);
	}
}

// NULL: none. The list of all rows has it, too.
static const json_t *take(struct join *join, const char *key)
{
	const json_t *row = json_object_get(join->rows, key);
	json_object_del(join->rows, key);
	return row;
}

static const json_t *find(struct join *join, const struct ending *ending)
{
	char bytes[FIRST_BYTES], key[40], local[ADDRESS_TEXT_SIZE];
	const json_t *row = NULL;
	payload_fill(&join->payload, ending->connection, ending->start, bytes, sizeof(bytes));
	for (unsigned count = LEAST_FIRST; count <= FIRST_BYTES && !row; count++) {
		if (count > ending->sent || !(join->counts >> (count - 1) & 1))
			continue;
		uint64_t hash = first_bytes_hash(first_bytes_of(bytes, count));
		snprintf(key, sizeof(key), "%014" PRIx64 "/%u", hash, count);
		row = take(join, key);
	}
	// Of AF_UNIX the address is nothing that a row has.
	return row ? row : take(join, inet_end_format(&ending->local, local));
}

__attribute__((format(printf, 2, 3))) static void append(char line[static LEDGER_LINE],
							 const char *format, ...)
{
	size_t used = strlen(line);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line + used, LEDGER_LINE - used, format, arguments);
	va_end(arguments);
}

static void explain_bytes(const struct ending *ending, const json_t *row,
			  char line[static LEDGER_LINE])
{
	uint64_t got = count_in(row, "bytes_received"), sent = count_in(row, "bytes_sent");
	const char *by = text_in(row, "ended_by"), *reason = text_in(row, "reason");
	const struct {
		uint64_t more, less;
		const char *what;
	} steps[] = {
		{ending->sent, got,
		 by && strcmp(by, "server") == 0 ? "not read by the server"
						 : "lost on the way there"},
		{got, sent, "not echoed by the server"},
		{sent, ending->received, "lost on the way back"},
		{got, ending->sent, "added on the way there"},
		{ending->received, sent, "added on the way back"},
	};
	size_t named = 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].more > steps[i].less)
			append(line, "%s %" PRIu64 " %s", named++ ? "," : ":",
			       steps[i].more - steps[i].less, steps[i].what);
	}
	append(line, "%s; ", named ? "" : ": no byte lost");
	if (by)
		append(line, "ended by the %s (%s)", by, reason ? reason : "?");
	else
		append(line, "still open at the server");
}

void ledger_explain(const struct ending *ending, const json_t *row, char line[static LEDGER_LINE])
{
	const char *own = text_in(row, "own_end"), *peers = text_in(row, "peer_end");
	snprintf(line, LEDGER_LINE,
		 "connection %" PRIu32 " sent %" PRIu64 ", server received %" PRIu64
		 " and sent %" PRIu64 ", came back %" PRIu64,
		 ending->connection, ending->sent, count_in(row, "bytes_received"),
		 count_in(row, "bytes_sent"), ending->received);
	explain_bytes(ending, row, line);
	if (!ending->end)
		return;
	if (!peers && own && strcmp(own, ending->end) != 0)
		append(line, "; server sent %s, we saw %s: something between translated it", own,
		       ending->end);
	else if (!ending->ended && (peers || !text_in(row, "ended_by")))
		append(line, "; we saw %s, the server saw %s: something between ended it",
		       ending->end, peers ? peers : "no end");
}

// How connections were seen into which faults were injected.
enum seen { OTHERWISE, RESET, FIN, TIMEOUT, UNANSWERED, MISMATCH, LATENCY, UNSEEN, SEENS };

static const char *const seen_names[SEENS] = {NULL,	    "reset",	"FIN",	   "timeout",
					      "unanswered", "mismatch", "latency", "unseen"};

#define BIT(value) (1U << (value))
#define ENDS (BIT(RESET) | BIT(FIN))
#define SILENCE (BIT(TIMEOUT) | BIT(UNANSWERED))
#define SLOWS (BIT(INJECT_delay) | BIT(INJECT_trickle))
#define CUTS \
	(BIT(INJECT_reset) | BIT(INJECT_close) | BIT(INJECT_reset_after) | BIT(INJECT_half_close))

// What it may be seen as. If no fault cuts the connection, another may do so that has no patience.
static unsigned explains(int kind, bool is_cut)
{
	if (kind == INJECT_flip || kind == INJECT_repeat)
		return BIT(MISMATCH);
	if (kind == INJECT_lose)
		return BIT(MISMATCH) | SILENCE | (is_cut ? 0 : BIT(FIN));
	return SILENCE | (CUTS & BIT(kind) || !is_cut ? ENDS : 0);
}

static enum seen seen_of(const struct ending *ending)
{
	static const enum seen by_error[LOAD_ERRORS + 1] = {[LOAD_MISMATCH] = MISMATCH,
							    [LOAD_TIMEOUT] = TIMEOUT,
							    [LOAD_SHORT] = FIN,
							    [LOAD_EARLY_CLOSE] = RESET,
							    [LOAD_ERRORS] = UNSEEN};
	enum seen seen = ending->wrong > 0 ? MISMATCH : by_error[ending->error];
	if (seen == RESET && ending->end && strcmp(ending->end, "FIN") == 0)
		return FIN;
	return seen == UNSEEN && ending->unanswered ? UNANSWERED : seen;
}

// Of one kind of fault.
struct receipt {
	uint64_t injected, connections, seen[SEENS];
	uint64_t found; // places with wrong bytes
};

// Adds what was injected into a connection that has closed. Returns whether it explains its error,
// if it has any.
static bool add_receipts(struct receipt receipts[static INJECTIONS], const struct ending *ending,
			 const json_t *row)
{
	uint64_t count[INJECTIONS];
	uint32_t kinds = 0;
	enum seen seen = seen_of(ending);
	bool is_explained = ending->error == LOAD_ERRORS;
	for (int i = 0; i < INJECTIONS; i++) {
		const char *name = injection_name((enum injection)i);
		count[i] = count_in(json_object_get(row, "faults"), name);
		kinds |= count[i] ? BIT(i) : 0;
	}
	for (int i = 0; i < INJECTIONS; i++) {
		struct receipt *receipt = &receipts[i];
		bool is_seen = explains(i, kinds & CUTS) & BIT(seen);
		if (count[i] == 0)
			continue;
		is_explained |= is_seen;
		receipt->injected += count[i];
		receipt->connections++;
		if (is_seen) // of several kinds in one stream any may be meant
			receipt->found += ending->wrong < count[i] ? ending->wrong : count[i];
		receipt->seen[is_seen ? seen : (SLOWS & BIT(i)) ? LATENCY : UNSEEN]++;
	}
	return is_explained &&
	       ending->wrong <= count[INJECT_flip] + count[INJECT_lose] + count[INJECT_repeat];
}

static json_t *describe_receipt(const struct receipt *receipt, const char *name, bool verify,
				char line[static LEDGER_LINE])
{
	json_t *seen = json_object();
	const char *before = ":";
	snprintf(line, LEDGER_LINE, "%s: %" PRIu64 " injected", name, receipt->injected);
	if (receipt->injected != receipt->connections)
		append(line, " into %" PRIu64 " connection%s", receipt->connections,
		       log_plural(receipt->connections));
	if (receipt->found > 0)
		append(line, ", %" PRIu64 " found", receipt->found);
	for (int i = RESET; i < SEENS; i++) {
		json_put(&seen, seen_names[i], json_integer((json_int_t)receipt->seen[i]));
		if (receipt->seen[i] == 0)
			continue;
		append(line, "%s %" PRIu64 " %s%s", before, receipt->seen[i],
		       i == UNSEEN ? "" : "seen as ", seen_names[i]);
		before = ",";
	}
	return json_pack("{s:s, s:I, s:I, s:o, s:o}", "fault", name, "injected",
			 (json_int_t)receipt->injected, "connections",
			 (json_int_t)receipt->connections, "found",
			 verify ? json_integer((json_int_t)receipt->found) : json_null(), "seen",
			 seen);
}

// Of a connection that failed: what both ends know.
static json_t *describe_error(const struct ending *ending, const json_t *row)
{
	return json_pack(
		"{s:I, s:s, s:I, s:I, s:s?, s:O}", "connection", (json_int_t)ending->connection,
		"error", load_error_rows[ending->error].name, "sent", (json_int_t)ending->sent,
		"received", (json_int_t)ending->received, "end", ending->end, "server", row);
}

// What there is to say.
struct account {
	uint64_t all, known, failed, failed_found, unexplained;
	struct receipt receipts[INJECTIONS];
	json_t *errors, *says;
};

static void add_ending(struct account *account, const struct ending *ending, const json_t *row)
{
	bool closed = row && text_in(row, "reason");
	bool failed = ending->error != LOAD_ERRORS && ending->counts;
	char line[LEDGER_LINE];
	account->known += closed;
	account->failed += failed;
	account->failed_found += failed && row;
	account->unexplained += closed && !add_receipts(account->receipts, ending, row);
	if (!failed || !row || account->failed_found > LEDGER_ERRORS)
		return;
	json_append(&account->errors, describe_error(ending, row));
	ledger_explain(ending, row, line);
	if (account->failed_found <= LEDGER_SHOWN)
		json_append(&account->says, json_string(line));
}

static json_t *conclude(struct account *account, bool verify, bool is_faulty)
{
	uint64_t unknown = account->all - account->known;
	json_t *receipts = json_array();
	char line[LEDGER_LINE];
	json_t *first =
		json_sprintf("%" PRIu64 " of %" PRIu64
			     " connection%s with an error found in the server's ledger",
			     account->failed_found, account->failed, log_plural(account->failed));
	if (json_array_insert_new(account->says, 0, first) != 0)
		json_append(&account->says, NULL);
	for (int i = 0; i < INJECTIONS && is_faulty; i++) {
		const char *name = injection_name((enum injection)i);
		if (account->receipts[i].connections == 0)
			continue;
		json_append(&receipts, describe_receipt(&account->receipts[i], name, verify, line));
		json_append(&account->says, json_string(line));
	}
	if (is_faulty)
		json_append(&account->says,
			    json_sprintf("%" PRIu64 " connection%s compared, %" PRIu64
					 " with an error that no fault explains",
					 account->known, log_plural(account->known),
					 account->unexplained));
	if (is_faulty && unknown > 0)
		json_append(
			&account->says,
			json_sprintf("%" PRIu64 " of %" PRIu64 " connections are unknown: not in "
				     "the ledger, or not closed there; echod --ledger keeps more",
				     unknown, account->all));
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "connections", (json_int_t)account->all,
		"unknown", (json_int_t)unknown, "failed", (json_int_t)account->failed,
		"failed_found", (json_int_t)account->failed_found, "unexplained",
		is_faulty && account->known > 0 ? json_integer((json_int_t)account->unexplained)
						: json_null(),
		"receipts", receipts, "errors", account->errors, "says", account->says);
}

json_t *ledger_compare(const struct load_config *config, const struct endings *endings,
		       const json_t *rows, bool is_faulty, size_t *open)
{
	struct join join = {.rows = json_object()};
	struct account account = {
		.all = atomic_load(&endings->count), .errors = json_array(), .says = json_array()};
	size_t kept = account.all < ENDINGS_MOST ? (size_t)account.all : ENDINGS_MOST;
	// NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers
	const json_t **found = calloc(kept + 1, sizeof(*found));
	*open = 0;
	payload_init(&join.payload, config->run);
	index_rows(&join, rows, config->verify);
	for (size_t i = kept; i-- > 0 && found;) { // the last one first, as with the rows
		found[i] = find(&join, &endings->of[i]);
		*open += found[i] && !text_in(found[i], "reason");
	}
	for (size_t i = 0; i < kept && found; i++)
		add_ending(&account, &endings->of[i], found[i]);
	json_decref(join.rows);
	if (!found)
		json_append(&account.says, NULL);
	free(found);
	return conclude(&account, config->verify, is_faulty);
}

bool ledger_is_faulty(const struct load_config *config)
{
	struct client_reply reply;
	if (!config->control ||
	    client_ask(config->control, "faults", ANSWER_TIME, &reply, NULL) != 0)
		return false;
	bool is_faulty = reply.status == 200;
	client_reply_free(&reply);
	return is_faulty;
}

json_t *ledger_join(const struct engine_result *result, bool is_faulty)
{
	struct client_reply reply;
	json_t *ledger = NULL;
	size_t open = 1;
	if (!result->endings || !(is_faulty || load_errors_total(&result->counters->errors) > 0))
		return NULL;
	for (int i = 0; i < OPEN_TRIES && open > 0; i++) {
		const struct timespec pause = clock_timespec(i ? OPEN_PAUSE : 0);
		nanosleep(&pause, NULL);
		if (client_ask(result->config->control, "ledger json", ANSWER_TIME, &reply, NULL))
			break;
		json_t *json = reply.status == 200 ? json_loads(reply.body, 0, NULL) : NULL;
		json_decref(ledger);
		ledger = ledger_compare(result->config, result->endings,
					json_object_get(json, "ledger"), is_faulty, &open);
		json_decref(json);
		client_reply_free(&reply);
	}
	return ledger;
}
