#include "ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/first_bytes.h"
#include "base/log.h"
#include "control/client.h"
#include "echoload/verify/payload.h"

#define ANSWER_TIME (5 * NS_PER_S)
#define LEAST_FIRST 8 // first bytes that can tell a connection from others

static uint64_t count_in(const json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

// NULL: null.
static const char *text_in(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

// Whether the row has the same first bytes: 1, not: 0; -1: that cannot be known.
static int same_first_bytes(const struct loss *loss, const struct payload *payload,
			    const json_t *row)
{
	uint64_t count = count_in(row, "first_bytes");
	const char *hash = text_in(row, "first_hash");
	char bytes[FIRST_BYTES], text[24];
	if (!payload || !hash || count < LEAST_FIRST || count > FIRST_BYTES)
		return -1;
	payload_fill(payload, loss->connection, loss->start, bytes, count);
	snprintf(text, sizeof(text), "%014" PRIx64, first_bytes_hash(first_bytes_of(bytes, count)));
	return strcmp(hash, text) == 0;
}

// The last one: a port may have been used before, and a row that has closed comes later.
const json_t *ledger_find(const struct loss *loss, const struct load_config *config,
			  const json_t *rows)
{
	struct payload payload;
	char local[ADDRESS_TEXT_SIZE];
	const json_t *found = NULL, *row;
	size_t index;
	payload_init(&payload, config->run);
	inet_end_format(&loss->local, local); // of AF_UNIX nothing that a row has
	json_array_foreach(rows, index, row)
	{
		int same = same_first_bytes(loss, config->verify ? &payload : NULL, row);
		const char *peer = text_in(row, "peer");
		if (same == 1 || (same < 0 && peer && strcmp(peer, local) == 0))
			found = row;
	}
	return found;
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

static void explain_bytes(const struct loss *loss, const json_t *row, char line[static LEDGER_LINE])
{
	uint64_t got = count_in(row, "bytes_received"), sent = count_in(row, "bytes_sent");
	const char *by = text_in(row, "ended_by"), *reason = text_in(row, "reason");
	const struct {
		uint64_t more, less;
		const char *what;
	} steps[] = {
		{loss->sent, got,
		 by && strcmp(by, "server") == 0 ? "not read by the server"
						 : "lost on the way there"},
		{got, sent, "not echoed by the server"},
		{sent, loss->received, "lost on the way back"},
		{got, loss->sent, "added on the way there"},
		{loss->received, sent, "added on the way back"},
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

void ledger_explain(const struct loss *loss, const json_t *row, char line[static LEDGER_LINE])
{
	const char *own = text_in(row, "own_end"), *peers = text_in(row, "peer_end");
	snprintf(line, LEDGER_LINE,
		 "connection %" PRIu32 " sent %" PRIu64 ", server received %" PRIu64
		 " and sent %" PRIu64 ", came back %" PRIu64,
		 loss->connection, loss->sent, count_in(row, "bytes_received"),
		 count_in(row, "bytes_sent"), loss->received);
	explain_bytes(loss, row, line);
	if (!loss->end)
		return;
	if (!peers && own && strcmp(own, loss->end) != 0)
		append(line, "; server sent %s, we saw %s: something between translated it", own,
		       loss->end);
	else if (!loss->ended && (peers || !text_in(row, "ended_by")))
		append(line, "; we saw %s, the server saw %s: something between ended it",
		       loss->end, peers ? peers : "no end");
}

void ledger_join(struct ledger_report *report, const struct load_config *config,
		 const struct counters *counters)
{
	struct client_reply reply;
	*report = (struct ledger_report){0};
	if (!config->control || counters->loss_count == 0 ||
	    client_ask(config->control, "ledger json", ANSWER_TIME, &reply, NULL) != 0)
		return;
	json_t *json = reply.status == 200 ? json_loads(reply.body, 0, NULL) : NULL;
	const json_t *rows = json_object_get(json, "ledger");
	size_t kept =
		counters->loss_count < COUNTERS_LOSSES ? counters->loss_count : COUNTERS_LOSSES;
	size_t found = 0;
	for (size_t i = 0; i < kept && json; i++) {
		const json_t *row = ledger_find(&counters->losses[i], config, rows);
		if (row && found < LEDGER_SHOWN)
			ledger_explain(&counters->losses[i], row, report->line[found + 1]);
		found += row != NULL;
	}
	report->count = json ? 1 + (found < LEDGER_SHOWN ? found : LEDGER_SHOWN) : 0;
	snprintf(report->line[0], LEDGER_LINE,
		 "%zu of %" PRIu64 " connection%s with an error found in the server's ledger",
		 found, counters->loss_count, log_plural(counters->loss_count));
	json_decref(json);
	client_reply_free(&reply);
}
