// Whose row of the ledger it is, and what is said of it: tools/echoload/judge/ledger.
#include "expect.h"

#include <arpa/inet.h>

#include "base/first_bytes.h"
#include "echoload/judge/ledger.h"
#include "echoload/verify/payload.h"
#include "load.h"

#define RUN 5
#define CONNECTION 17

static struct ending ending_of(uint64_t sent, uint64_t received, const char *end, bool ended) {
	return (struct ending){
		.connection = CONNECTION,
		.local.v4 = {.sin_family = AF_INET,
			     .sin_port = htons(5000),
			     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
		.start = 4096,
		.sent = sent,
		.received = received,
		.end = end,
		.ended = ended,
		.error = LOAD_TIMEOUT,
		.counts = true,
	};
}

static const struct scene {
	const char *name;
	uint64_t sent, received; // by us
	const char *end;
	bool ended;
	int got, gave; // by the server
	const char *by, *reason, *peer_end, *own_end;
	const char *says;
} scenes[] = {
	{"there", 1000, 900, "FIN", true, 900, 900, "peer", "peer", "FIN", "FIN",
	 ": 100 lost on the way there; ended by the peer (peer)"},
	{"back", 1000, 900, "FIN", true, 1000, 1000, "peer", "peer", "FIN", "FIN",
	 ": 100 lost on the way back; ended by the peer (peer)"},
	{"both ways", 1000, 700, NULL, false, 900, 850, NULL, NULL, NULL, NULL,
	 ": 100 lost on the way there, 50 not echoed by the server, 150 lost on the way back; "
	 "still open at the server"},
	{"added", 1000, 1300, "FIN", true, 1100, 1100, "peer", "peer", "FIN", "FIN",
	 ": 100 added on the way there, 200 added on the way back; ended by the peer (peer)"},
	{"idle", 1000, 900, "FIN", false, 900, 900, "server", "idle", NULL, "FIN",
	 ": 100 not read by the server; ended by the server (idle)"},
	{"translated", 1000, 1000, "FIN", false, 1000, 1000, "server", "drain", NULL, "RST",
	 ": no byte lost; ended by the server (drain); server sent RST, we saw FIN: something "
	 "between translated it"},
	{"cut", 1000, 1000, "RST", false, 1000, 1000, "peer", "peer", "FIN", "FIN",
	 ": no byte lost; ended by the peer (peer); we saw RST, the server saw FIN: something "
	 "between ended it"},
	{"cut here only", 10, 10, "FIN", false, 10, 10, NULL, NULL, NULL, NULL,
	 ": no byte lost; still open at the server; we saw FIN, the server saw no end: something "
	 "between ended it"},
};

TEST_ROWS(explain, const struct scene *scene, scenes) {
	struct ending ending = ending_of(scene->sent, scene->received, scene->end, scene->ended);
	json_t *row =
		json_pack("{s:i, s:i, s:s?, s:s?, s:s?, s:s?}", "bytes_received", scene->got,
			  "bytes_sent", scene->gave, "ended_by", scene->by, "reason", scene->reason,
			  "peer_end", scene->peer_end, "own_end", scene->own_end);
	char line[LEDGER_LINE];
	ledger_explain(&ending, row, line);
	json_decref(row);
	assert_string_equal(
		line, test_text("connection 17 sent %ju, server received %d and sent %d, came "
				"back %ju%s",
				(uintmax_t)scene->sent, scene->got, scene->gave,
				(uintmax_t)scene->received, scene->says));
}

static struct endings endings;
static json_t *report;

// Makes the report of one connection with rows, which it drops. Returns how many are still open.
static size_t compare(const struct ending *ending, bool verify, json_t *rows, bool is_faulty) {
	const struct load_config config = {.run = RUN, .verify = verify};
	size_t open;
	endings.count = 1;
	endings.of[0] = *ending;
	json_decref(report);
	report = ledger_compare(&config, &endings, rows, is_faulty, &open);
	json_decref(rows);
	return open;
}

static const char *said(size_t index) {
	return json_string_value(json_array_get(json_object_get(report, "says"), index));
}

// A row, known by its id as bytes_received, with the first `count` bytes of that connection from
// `start` on.
static json_t *row_of(int id, const char *peer, uint32_t connection, uint64_t start,
		      uint64_t count) {
	struct payload payload;
	char bytes[FIRST_BYTES];
	payload_init(&payload, RUN);
	payload_fill(&payload, connection, start, bytes, count);
	uint64_t hash = first_bytes_hash(first_bytes_of(bytes, count));
	return json_pack("{s:i, s:s, s:I, s:s?}", "bytes_received", id, "peer", peer, "first_bytes",
			 (json_int_t)count, "first_hash",
			 count ? test_text("%014jx", (uintmax_t)hash) : NULL);
}

#define OURS "127.0.0.1:5000"
#define OTHERS "127.0.0.1:5001"

TEST(find) {
	static const struct {
		bool verify;
		struct {
			const char *peer;
			uint32_t connection;
			uint64_t start, count;
		} of[3];
		int found; // 0: none
	} rows[] = {
		{true, {{OTHERS, 16, 4096, 64}, {OURS, CONNECTION, 4096, 64}}, 2},
		// Through a proxy.
		{true, {{OTHERS, CONNECTION, 4096, 64}, {OTHERS, 16, 4096, 64}}, 1},
		{true, {{OTHERS, CONNECTION, 4096, 8}, {OTHERS, CONNECTION, 0, 64}}, 1},
		// A port that was used before, and again.
		{true, {{OURS, 16, 0, 64}, {OURS, CONNECTION, 4096, 64}, {OURS, 18, 0, 64}}, 2},
		// Closed while the ledger was written.
		{true, {{OURS, CONNECTION, 4096, 64}, {OURS, CONNECTION, 4096, 64}}, 2},
		// Few bytes, or none that are known, tell nothing.
		{true, {{OTHERS, CONNECTION, 4096, 7}}, 0},
		{true, {{OURS, CONNECTION, 4096, 0}}, 1},
		{false, {{OTHERS, CONNECTION, 4096, 64}}, 0},
		{false, {{OURS, 16, 4096, 64}}, 1},
	};
	struct ending ending = ending_of(100, 0, NULL, false);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *list = json_array();
		for (int k = 0; k < 3 && rows[i].of[k].peer; k++)
			json_array_append_new(
				list, row_of(k + 1, rows[i].of[k].peer, rows[i].of[k].connection,
					     rows[i].of[k].start, rows[i].of[k].count));
		assert_int_equal(compare(&ending, rows[i].verify, list, false), rows[i].found > 0);
		assert_true((said(1) != NULL) == (rows[i].found > 0));
		if (rows[i].found)
			assert_contains(said(1), test_text("server received %d ", rows[i].found));
	}
}

static const struct receipt_scene {
	const char *name; // the first line of the receipts
	enum load_error error;
	const char *end, *faults; // that were injected; NULL: none
	uint64_t wrong;
	bool unanswered, is_unexplained;
} receipts[] = {
	{"reset-after: 1 injected: 1 seen as reset", LOAD_EARLY_CLOSE, "RST",
	 .faults = "{'reset-after': 1}"},
	{"reset-after: 1 injected: 1 seen as FIN", LOAD_EARLY_CLOSE, "FIN",
	 .faults = "{'reset-after': 1}"},
	{"reset: 1 injected: 1 seen as reset", LOAD_EARLY_CLOSE, NULL, .faults = "{'reset': 1}"},
	{"close-after: 1 injected: 1 seen as FIN", LOAD_SHORT, "FIN",
	 .faults = "{'close-after': 1}"},
	{"half-close-after: 1 injected: 1 unseen", LOAD_ERRORS, NULL,
	 .faults = "{'half-close-after': 1}"},
	{"flip: 3 injected into 1 connection, 2 found: 1 seen as mismatch", LOAD_MISMATCH, NULL,
	 .faults = "{'flip': 3}", 2},
	{"flip: 1 injected, 1 found: 1 seen as mismatch", LOAD_MISMATCH, NULL,
	 .faults = "{'flip': 1}", 2, false, true},
	{"lose: 1 injected, 1 found: 1 seen as mismatch", LOAD_SHORT, "FIN",
	 .faults = "{'lose': 1}", 1},
	{"lose: 1 injected: 1 seen as timeout", LOAD_TIMEOUT, NULL, .faults = "{'lose': 1}"},
	{"delay: 1 injected: 1 seen as latency", LOAD_ERRORS, NULL, .faults = "{'delay': 1}"},
	{"delay: 1 injected: 1 seen as timeout", LOAD_TIMEOUT, NULL, .faults = "{'delay': 1}"},
	{"delay: 1 injected: 1 seen as FIN", LOAD_EARLY_CLOSE, "FIN", .faults = "{'delay': 1}"},
	{"delay: 1 injected: 1 seen as latency", LOAD_EARLY_CLOSE, "FIN",
	 .faults = "{'delay': 1, 'close-after': 1}"},
	{"silent: 1 injected: 1 seen as unanswered", LOAD_ERRORS, NULL, .faults = "{'silent': 1}",
	 0, true},
	{"trickle: 1 injected: 1 seen as latency", LOAD_MISMATCH, NULL, .faults = "{'trickle': 1}",
	 1, false, true},
	{"flip: 1 injected: 1 unseen", LOAD_EARLY_CLOSE, "RST", .faults = "{'flip': 1}", 0, false,
	 true},
	{"reset: 1 injected: 1 unseen", LOAD_UNREACHABLE, NULL, .faults = "{'reset': 1}", 0, false,
	 true},
	{"1 connection compared, 1 with an error that no fault explains", LOAD_TIMEOUT, NULL, NULL,
	 0, false, true},
};

TEST_ROWS(receipt, const struct receipt_scene *scene, receipts) {
	struct ending ending = ending_of(100, 100, scene->end, false);
	ending.error = scene->error;
	ending.wrong = scene->wrong;
	ending.unanswered = scene->unanswered;
	char faults[80] = "{}";
	if (scene->faults)
		strcpy(faults, scene->faults);
	for (char *c = faults; (c = strchr(c, '\''));)
		*c = '"';
	json_t *row = row_of(1, OURS, CONNECTION, 4096, 64);
	json_object_set_new(row, "reason", json_string("fault"));
	json_object_set_new(row, "faults", json_loads(faults, 0, NULL));
	assert_int_equal(compare(&ending, true, json_pack("[o]", row), true), 0);
	size_t first = scene->error == LOAD_ERRORS ? 1 : 2;
	assert_string_equal(said(first), scene->name);
	if (scene->faults)
		assert_int_equal(load_count(report, "receipts.0.connections"), 1);
	size_t last = json_array_size(json_object_get(report, "says")) - 1;
	assert_string_equal(said(last),
			    test_text("1 connection compared, %d with an error that no fault "
				      "explains",
				      scene->is_unexplained));
}

// Nothing is said of one that is not in the ledger, or has not closed there; and nothing is 0.
TEST(unknown) {
	struct ending ending = ending_of(100, 100, NULL, false);
	ending.error = LOAD_ERRORS;
	for (int i = 0; i < 2; i++) {
		json_t *row = row_of(1, i ? OURS : OTHERS, i ? CONNECTION : 16, 4096, 64);
		json_object_set_new(row, "faults", json_pack("{s:i}", "silent", 1));
		assert_int_equal(compare(&ending, true, json_pack("[o]", row), true), i);
		assert_contains(said(2), "1 of 1 connections are unknown");
		assert_true(json_is_null(json_object_get(report, "unexplained")));
		assert_int_equal(json_array_size(json_object_get(report, "receipts")), 0);
	}
}

// A port that was used twice: the row is of the later connection, of the earlier nothing is known.
TEST(a_row_is_of_one_connection) {
	const struct load_config config = {.run = RUN};
	json_t *rows = json_keep(json_pack("[o]", row_of(1, OURS, CONNECTION, 0, 0)));
	size_t open;
	endings.of[0] = endings.of[1] = ending_of(100, 90, NULL, false);
	endings.of[1].connection = 18;
	endings.count = 2;
	json_decref(report);
	report = ledger_compare(&config, &endings, rows, true, &open);
	assert_int_equal(open, 1);
	assert_contains(said(0), "1 of 2 connections");
	assert_contains(said(1), "connection 18 ");
	assert_int_equal(load_count(report, "errors.0.sent"), 100);
	assert_int_equal(load_count(report, "errors.0.received"), 90);
}
