// The ring of closed connections, what is told of an end, and the mark of first bytes:
// server/ledger, net/tcp_facts and base/first_bytes.
#include "expect.h"

#include "base/first_bytes.h"
#include "inside.h"
#include "peer.h"
#include "process.h"
#include "server/ledger.h"

#define SIZE 5

static struct ledger ledger;

static void add(uint64_t first, uint64_t last) {
	for (uint64_t id = first; id <= last; id++)
		ledger_add(&ledger, &(struct ledger_entry){.info.id = id});
}

// Reads on from `*next` in pieces of at most three, and expects the ids `first` to `last`.
static void expect_ids(uint64_t *next, uint64_t first, uint64_t last) {
	struct ledger_entry entries[3];
	size_t count;
	while ((count = ledger_copy(&ledger, next, entries, COUNT_OF(entries))))
		for (size_t i = 0; i < count; i++)
			assert_int_equal(entries[i].info.id, first++);
	assert_int_equal(first, last + 1);
	assert_int_equal(*next, ledger_total(&ledger));
}

TEST(the_last_ones_stay) {
	struct ledger none;
	assert_int_equal(ledger_open(&none, 0, NULL), 0);
	ledger_close(&none);
	static const uint64_t totals[] = {0, 1, SIZE - 1, SIZE, SIZE + 1, 7 * SIZE, 7 * SIZE + 3};
	for (size_t i = 0; i < COUNT_OF(totals); i++) {
		uint64_t total = totals[i], next = 0;
		assert_int_equal(ledger_open(&ledger, SIZE, NULL), 0);
		add(1, total);
		expect_ids(&next, total > SIZE ? total - SIZE + 1 : 1, total);
		ledger_close(&ledger);
	}
}

TEST(a_slow_reader_goes_on_with_the_oldest) {
	uint64_t next = 0;
	assert_int_equal(ledger_open(&ledger, SIZE, NULL), 0);
	add(1, 3);
	expect_ids(&next, 1, 3);
	add(4, 5);
	expect_ids(&next, 4, 5);
	add(6, 20);
	expect_ids(&next, 16, 20);
	ledger_close(&ledger);
}

TEST(who_ended_it) {
	static const struct {
		enum close_reason reason;
		const char *who;
	} rows[] = {{CLOSE_peer, "peer"},      {CLOSE_probe, "peer"},	   {CLOSE_reset, "peer"},
		    {CLOSE_reset_ok, "peer"},  {CLOSE_timeout, "network"}, {CLOSE_idle, "server"},
		    {CLOSE_stalled, "server"}, {CLOSE_drain, "server"},	   {CLOSE_fault, "server"},
		    {CLOSE_error, "server"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(ledger_ended_by(rows[i].reason), rows[i].who);
	assert_int_equal(COUNT_OF(rows), CLOSE_REASON_COUNT);
}

// An aborted connection ends in order if all of its echo has gone out, else with a reset.
TEST(a_drain_is_told) {
	struct ledger_entry entries[3];
	uint64_t next = 0;
	inside_begin();
	int stuck = peer_connect(inside_address());
	peer_fill(stuck, 1, UINT64_MAX);
	wait_until(inside_is_stuck(stuck));
	int quiet = peer_connect_served(inside_address());
	server_drain(&inside->server, 0, 0);
	inside_expect_done();
	assert_int_equal(ledger_copy(&inside->server.ledger, &next, entries, 3), 2);
	for (int i = 0; i < 2; i++) {
		bool whole = entries[i].info.id == 2;
		assert_int_equal(entries[i].reason, CLOSE_drain);
		assert_int_equal(entries[i].peer_end, LEDGER_END_NONE);
		assert_int_equal(entries[i].own_end, whole ? LEDGER_END_FIN : LEDGER_END_RST);
	}
	peer_expect_eof(quiet);
	peer_expect_reset(stuck);
	inside_end();
}

// The kernel tells of a socket of TCP, also after the peer's end; of another one hardly anything.
TEST(facts_are_known_or_unknown) {
	struct tcp_facts facts;
	uint16_t port;
	int listener = peer_listen(0, 1, &port);
	int client = peer_connect(test_text("127.0.0.1:%u", port));
	int fd = accept(listener, NULL, NULL);
	peer_send(client, "12345", 5);
	peer_half_close(client);
	wait_until(peer_is_readable(fd));
	tcp_facts_read(fd, &facts);
	assert_int_equal(facts.unread, 5);
	assert_int_equal(facts.unacknowledged, 0);
	assert_int_equal(facts.retransmits, 0);
	assert_true(facts.rtt > 0 && facts.rtt < NS_PER_S && facts.rtt_min <= facts.rtt);
	assert_true(facts.rwnd_limited != FACT_UNKNOWN && facts.busy != FACT_UNKNOWN);
	peer_close(client);
	close(fd);
	close(listener);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	peer_send(pair[0], "123", 3);
	tcp_facts_read(pair[1], &facts);
	assert_int_equal(facts.unread, 3);
	const uint64_t others[] = {facts.unacknowledged, facts.retransmits, facts.rtt,
				   facts.rtt_min,	 facts.busy,	    facts.rwnd_limited,
				   facts.sndbuf_limited};
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_true(others[i] == FACT_UNKNOWN);
	struct ledger_entry entry;
	for (int end = LEDGER_END_RST; end >= LEDGER_END_FIN; end--) { // with bytes unread, or none
		ledger_describe(&entry, &(struct conn){.work.fd = pair[1]}, CLOSE_idle, false);
		assert_int_equal(entry.own_end, end);
		peer_receive(pair[1], (char[3]){0}, end == LEDGER_END_RST ? 3 : 0);
	}
	close(pair[0]);
	close(pair[1]);
}

// FNV-1a with 64 bits, of "a" af63dc4c8601ec8c, without its upper byte.
TEST(first_bytes_are_known_again) {
	char bytes[FIRST_BYTES + 1] = "a";
	assert_true(first_bytes_of(bytes, 0) == 0);
	assert_true(first_bytes_hash(first_bytes_of(bytes, 1)) == UINT64_C(0x63dc4c8601ec8c));
	for (unsigned i = 1; i <= FIRST_BYTES; i++)
		assert_int_equal(first_bytes_count(first_bytes_of(bytes, i)), i);
	uint64_t whole = first_bytes_of(bytes, FIRST_BYTES);
	assert_true(first_bytes_of(bytes, FIRST_BYTES + 1) == whole);
	bytes[FIRST_BYTES] = 1;
	assert_true(first_bytes_of(bytes, FIRST_BYTES + 1) == whole);
	bytes[FIRST_BYTES - 1] = 1;
	assert_true(first_bytes_of(bytes, FIRST_BYTES) != whole);
}
