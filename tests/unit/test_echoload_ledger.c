// Whose row of the ledger it is, and what is said of it: tools/echoload/judge/ledger.
#include "expect.h"

#include <arpa/inet.h>

#include "base/first_bytes.h"
#include "echoload/judge/ledger.h"
#include "echoload/verify/payload.h"

#define RUN 5
#define CONNECTION 17

static struct loss loss_of(uint64_t sent, uint64_t received, const char *end, bool ended) {
	return (struct loss){
		.connection = CONNECTION,
		.local.v4 = {.sin_family = AF_INET,
			     .sin_port = htons(5000),
			     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
		.start = 4096,
		.sent = sent,
		.received = received,
		.end = end,
		.ended = ended,
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
	struct loss loss = loss_of(scene->sent, scene->received, scene->end, scene->ended);
	json_t *row =
		json_pack("{s:i, s:i, s:s?, s:s?, s:s?, s:s?}", "bytes_received", scene->got,
			  "bytes_sent", scene->gave, "ended_by", scene->by, "reason", scene->reason,
			  "peer_end", scene->peer_end, "own_end", scene->own_end);
	char line[LEDGER_LINE];
	ledger_explain(&loss, row, line);
	json_decref(row);
	assert_string_equal(
		line, test_text("connection 17 sent %ju, server received %d and sent %d, came "
				"back %ju%s",
				(uintmax_t)scene->sent, scene->got, scene->gave,
				(uintmax_t)scene->received, scene->says));
}

// A row with the first `count` bytes of that connection from `start` on.
static json_t *row_of(int id, const char *peer, uint32_t connection, uint64_t start,
		      uint64_t count) {
	struct payload payload;
	char bytes[FIRST_BYTES];
	payload_init(&payload, RUN);
	payload_fill(&payload, connection, start, bytes, count);
	uint64_t hash = first_bytes_hash(first_bytes_of(bytes, count));
	return json_pack("{s:i, s:s, s:I, s:s?}", "id", id, "peer", peer, "first_bytes",
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
	struct loss loss = loss_of(0, 0, NULL, false);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct load_config config = {.run = RUN, .verify = rows[i].verify};
		json_t *list = json_array();
		for (int k = 0; k < 3 && rows[i].of[k].peer; k++)
			json_array_append_new(
				list, row_of(k + 1, rows[i].of[k].peer, rows[i].of[k].connection,
					     rows[i].of[k].start, rows[i].of[k].count));
		const json_t *found = ledger_find(&loss, &config, list);
		assert_int_equal(json_integer_value(json_object_get(found, "id")), rows[i].found);
		json_decref(list);
	}
}
