// When messages are due, begin, are answered or given up, how their connections fail, and what is
// recorded of that, on made-up time: tools/echoload/load/messages and connecting.
#include "test.h"

#include <sys/socket.h>

#include "echoload/load/generator.h"

#define AT(ms) (NS_PER_S + (uint64_t)((ms) * (double)NS_PER_MS)) // of the period
#define SIZE 64

static struct load_config config;
static struct period period;
static struct thread thread;
static struct connection conn, next;
static struct message ring[4];
static struct counters *counters;

// A period of 100 ms, of which the first 10 are not recorded, with two connections.
BEFORE_EACH {
	static struct timer *heap[2];
	struct echod_error error;
	config = (struct load_config){.pipeline = 3, .mode = MODE_PING};
	assert_int_equal(sizes_parse("64", &config.sizes, &error), 0);
	period = (struct period){.kind = PERIOD_RUN,
				 .connections = 2,
				 .begin = AT(0),
				 .record = AT(10),
				 .stop = AT(100),
				 .end = AT(100),
				 .late = 50 * NS_PER_MS,
				 .left = UINT64_MAX};
	memset(&thread, 0, sizeof(thread));
	counter_buffers_init(&thread.buffers);
	thread.config = &config;
	thread.period = &period;
	thread.ring = COUNT_OF(ring);
	thread.timers.heap = heap;
	counters = thread.buffers.open;
	next = conn = (struct connection){.timer = {.place = TIMER_UNSET},
					  .messages = ring,
					  .state = CONNECTION_OPEN,
					  .loaded = true,
					  .fd = -1,
					  .left = UINT64_MAX,
					  .free_since = AT(0)};
}

static void begin(double ms) {
	thread.now = AT(ms);
	messages_begin(&thread, &conn, thread.now);
}

static void answer(double ms) {
	thread.now = AT(ms);
	messages_answered(&thread, &conn, thread.now);
}

static void expect_on_their_way(unsigned count) {
	assert_int_equal(conn.waiting, count);
	assert_int_equal(thread.owed, count);
}

// So many values, `sum` ms in all, to the millionth.
static void expect_sum(const struct hdr *hdr, uint64_t count, double sum) {
	assert_int_equal(hdr->count, count);
	assert_true((double)hdr->sum >= (sum - 1e-6) * (double)NS_PER_MS);
	assert_true((double)hdr->sum <= (sum + 1e-6) * (double)NS_PER_MS);
}

// A message a ms in all, so that each connection has one in 2 ms; this one is the second.
static void open_loop(double from_ms) {
	config.rate = 1000;
	thread.gap = 2e6;
	conn.rank = 1;
	messages_plan(&thread, &conn, AT(from_ms));
}

TEST(as_many_begin_as_may_be_on_their_way) {
	begin(20);
	expect_on_their_way(3);
	assert_int_equal(conn.goal, 3 * SIZE);
	assert_int_equal(conn.moved_at, AT(20));
	begin(21);
	expect_on_their_way(3);
	answer(25);
	expect_on_their_way(2);
	assert_int_equal(conn.answered, SIZE);
	begin(26);
	assert_int_equal(conn.moved_at, AT(20)); // it waits since then
	for (int i = 0; i < 3; i++)
		answer(30);
	expect_on_their_way(0);
	assert_int_equal(conn.answered, 4 * SIZE);
	assert_int_equal(counters->messages, 4);
	assert_int_equal(counters->answered, 4);
	assert_int_equal(counters->last, AT(30));
	assert_int_equal(counters->due, 0);
	expect_sum(&counters->latency, 4, 5 + 10 + 10 + 4);
	expect_sum(&counters->uncorrected, 0, 0);
	config.pipeline = 1;
	begin(31);
	expect_on_their_way(1);
	assert_int_equal(conn.moved_at, AT(31));
}

TEST(nothing_begins_at_the_end) {
	begin(100);
	expect_on_their_way(0);
	begin(99.999);
	expect_on_their_way(3);
	period.kind = PERIOD_CONNECT;
	conn.waiting = 0;
	begin(50);
	assert_int_equal(conn.waiting, 0);
}

TEST(a_visit_has_its_messages_and_the_first_waits_for_the_connection) {
	conn.left = 2;
	conn.due_since = AT(15);
	begin(20);
	expect_on_their_way(2);
	answer(21);
	answer(21);
	expect_sum(&counters->latency, 2, 6 + 1);
	begin(22);
	expect_on_their_way(0);
}

TEST(what_was_due_before_recording_is_in_no_latency) {
	begin(9.999);
	answer(10);
	answer(9.9999); // before it, too
	assert_int_equal(counters->latency.count, 0);
	assert_int_equal(counters->messages, 1);
	assert_int_equal(counters->answered, 2);
	answer(100); // the window has passed
	assert_int_equal(counters->messages, 1);
	begin(10);
	answer(99.999);
	answer(100);
	assert_int_equal(counters->messages, 2);
	expect_sum(&counters->latency, 2, 89.999 + 90);
}

TEST(count_is_of_those_that_begin_while_it_records) {
	config.count = 4;
	period.left = 4;
	begin(9);
	expect_on_their_way(3);
	assert_int_equal(period.left, 4);
	answer(11);
	assert_int_equal(counters->messages, 0); // it began too early to be one of them
	begin(10);
	assert_int_equal(period.left, 3);
	for (int i = 0; i < 3; i++)
		answer(13);
	assert_int_equal(counters->messages, 1);
	begin(14);
	expect_on_their_way(3);
	answer(15);
	begin(16);
	expect_on_their_way(2);
	assert_int_equal(period.left, 0);
	before_each();
	open_loop(0);
	period.left = config.count = 1;
	begin(20);
	expect_on_their_way(1);
	period.left = config.count = 8;
	begin(20);
	expect_on_their_way(3);
	assert_int_equal(period.left, 6);
}

TEST(in_the_open_loop_each_is_due_in_its_turn) {
	open_loop(0);
	assert_int_equal(conn.due, AT(1));
	begin(0.9);
	expect_on_their_way(0);
	assert_int_equal(timers_next(&thread.timers), AT(1));
	begin(13); // 1, 3, 5; the others have no room
	expect_on_their_way(3);
	assert_int_equal(conn.due, AT(7));
	assert_int_equal(counters->due, 0); // all before it records
	for (int i = 0; i < 3; i++)
		answer(14 + i);
	assert_int_equal(conn.free_since, AT(14)); // from when there was room again
	begin(17);				   // 7, 9, 11
	assert_int_equal(counters->due, 1);
	expect_sum(&counters->lateness, 1, 3);
	for (int i = 0; i < 3; i++)
		answer(18);
	begin(19); // 13, 15, 17
	expect_sum(&counters->lateness, 4, 3 + 1 + 1 + 1);
	for (int i = 0; i < 3; i++)
		answer(20);
	expect_sum(&counters->latency, 4, 7 + 7 + 5 + 3);
	expect_sum(&counters->uncorrected, 4, 1 + 1 + 1 + 1);
	begin(21); // 19, 21: both are due
	expect_on_their_way(2);
	assert_int_equal(timers_next(&thread.timers), AT(23));
	answer(21.5);
	answer(21.5);
	begin(23.5);
	expect_sum(&counters->lateness, 7, 6 + 1 + 0 + 0.5); // 19 could since 20
}

TEST(a_plan_begins_with_the_first_that_is_not_missed) {
	static const struct {
		double from, due;
	} plans[] = {{0, 1}, {1, 1}, {1.5, 3}, {3, 3}, {50, 51}};
	for (size_t i = 0; i < COUNT_OF(plans); i++) {
		open_loop(plans[i].from);
		assert_int_equal(conn.due, AT(plans[i].due));
	}
	config.arrival = ARRIVAL_POISSON;
	double sum = 0;
	for (int i = 0; i < 10000; i++) {
		messages_plan(&thread, &conn, AT(5));
		assert_true(conn.due >= AT(5));
		sum += (double)(conn.due - AT(5)) / 1e10;
	}
	assert_true(sum > 1.9 && sum < 2.1);
	config.rate = 1e-9; // in 30 years
	config.arrival = ARRIVAL_CONSTANT;
	messages_plan(&thread, &conn, AT(5));
	assert_int_equal(conn.due, AT(0) + (uint64_t)1e18);
}

TEST(what_was_due_before_the_end_may_begin_after_it_for_a_while) {
	static const struct {
		double due, now;
		bool may;
	} cases[] = {
		{99, 98, true},	  {100, 99, false},  {99, 100, true},  {99, 149.9, true},
		{99, 150, false}, {50.1, 100, true}, {50, 100, false}, {50, 99.9, true},
	};
	open_loop(0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		conn.due = AT(cases[i].due);
		thread.now = AT(cases[i].now);
		assert_int_equal(messages_may_begin(&thread, &conn), cases[i].may);
		conn.waiting = 0;
		conn.after = (double)(conn.due - AT(0));
		begin(cases[i].now);
		assert_int_equal(conn.waiting > 0, cases[i].may && cases[i].due <= cases[i].now);
	}
}

TEST(those_given_up_count_with_the_time_until_then) {
	open_loop(0);
	begin(5); // 1, 3, 5: not recorded
	thread.now = AT(11);
	messages_abandon(&thread, &conn);
	expect_on_their_way(0);
	assert_int_equal(counters->unanswered, 0);
	begin(11.5); // 7, 9, 11
	thread.now = AT(20);
	messages_abandon(&thread, &conn);
	expect_on_their_way(0);
	assert_int_equal(counters->unanswered, 1);
	expect_sum(&counters->latency, 1, 9);
	expect_sum(&counters->uncorrected, 1, 8.5);
	begin(17); // 13, 15, 17
	thread.now = AT(20);
	messages_abandon(&thread, &conn);
	expect_sum(&counters->latency, 4, 9 + 7 + 5 + 3);
	begin(30); // the ring goes on where it was
	answer(31);
	expect_sum(&counters->latency, 5, 9 + 7 + 5 + 3 + 12);
}

TEST(those_never_begun_count_as_those_that_had_been) {
	open_loop(0);
	thread.now = AT(120);
	messages_abandon_due(&thread, &conn); // 11, 13 … 99
	assert_int_equal(counters->due, 45);
	assert_int_equal(counters->unanswered, 45);
	expect_sum(&counters->latency, 45, 45 * (100 - 55)); // given up in time, as 1 ms was due
	open_loop(91);
	counters_reset(counters);
	messages_abandon_due(&thread, &conn); // 91, 93 … 99 might have begun until now
	expect_sum(&counters->latency, 5, 5 * (120 - 95));
	assert_int_equal(counters->uncorrected.count, 0);
	conn.rank = 0;
	messages_plan(&thread, &conn, AT(10)); // at the very time from which it records
	counters_reset(counters);
	messages_abandon_due(&thread, &conn);
	assert_int_equal(counters->due, 45);
	messages_plan(&thread, &conn, AT(50)); // by the end it had waited for too long
	messages_abandon_due(&thread, &conn);
	expect_sum(&counters->latency, 45 + 25, 45 * (100 - 54) + 25 * (100 - 74));
}

TEST(of_many_never_begun_some_stand_for_all) {
	open_loop(0);
	config.rate = 1e6;
	thread.gap = 2000;
	messages_plan(&thread, &conn, AT(10));
	thread.now = AT(100);
	messages_abandon_due(&thread, &conn);
	assert_int_equal(counters->due, 45000);
	assert_int_equal(counters->latency.count, 45000);
	double mean = (double)counters->latency.sum / 45000;
	assert_true(mean > 44.9 * NS_PER_MS && mean < 45.1 * NS_PER_MS);
	assert_true(counters->latency.max < 90000 * NS_PER_US);
	assert_true(counters->latency.max > 89800 * NS_PER_US);
}

TEST(none_is_given_up_that_was_not_due) {
	static const char *const cases[] = {"closed loop", "not loaded", "connecting", "due later"};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		before_each();
		open_loop(i == 3 ? 99.5 : 0);
		config.rate = i == 0 ? 0 : config.rate;
		conn.loaded = i != 1;
		period.kind = i == 2 ? PERIOD_CONNECT : PERIOD_RUN;
		thread.now = AT(120);
		messages_abandon_due(&thread, &conn);
		assert_int_equal(counters->due + counters->unanswered + counters->latency.count, 0);
	}
	before_each();
	open_loop(0);
	period.left = config.count = 7; // --count allows no more
	thread.now = AT(120);
	messages_abandon_due(&thread, &conn);
	assert_int_equal(counters->due, 7);
	assert_int_equal(counters->latency.count, 7);
}

TEST(a_period_begins_for_each_in_its_turn) {
	period.ramp = 50 * NS_PER_MS;
	conn.rank = 1;
	conn.refused = true;
	conn.due_since = 1;
	connection_plan(&thread, &conn);
	assert_true(!conn.refused && conn.due_since == 0 && conn.free_since == AT(25));
	assert_int_equal(timers_next(&thread.timers), AT(25));
}

static const struct failure {
	const char *name;
	enum connection_state state;
	enum load_error error;
	const char *ending; // NULL: none is kept
	bool again, rests;
	uint64_t stop, noted; // the latter: endings before
} failures[] = {
	{"open", CONNECTION_OPEN, LOAD_TIMEOUT, "5: 64 128 64 2 RST 0 1 1 timeout", .again = true},
	{"ending", CONNECTION_ENDING, LOAD_OTHER, "5: 64 128 64 2 RST 1 1 1 other", .again = true},
	{"resting", CONNECTION_OPEN, LOAD_SHORT, "5: 64 128 64 2 RST 0 1 0 short", .rests = true},
	{"wrong", CONNECTION_OPEN, LOAD_MISMATCH, "5: 64 128 64 2 RST 0 1 1 mismatch",
	 .rests = true, .noted = ENDINGS_MOST - 1},
	{"at the end", CONNECTION_OPEN, LOAD_SHORT, .stop = AT(20), .noted = ENDINGS_MOST},
	{"reset", CONNECTION_CONNECTING, LOAD_EARLY_CLOSE, "5: 192 0 0 0 RST 0 1 1 early_close",
	 .again = true},
	{"refused", CONNECTION_CONNECTING, LOAD_REFUSED, .again = false},
};

TEST_ROWS(what_fails_is_noted_and_tried_again, const struct failure *row, failures) {
	bool connects = row->state == CONNECTION_CONNECTING, ends = row->state == CONNECTION_ENDING;
	thread.endings = test_keep(calloc(1, sizeof(struct endings) + sizeof(struct ending)));
	thread.endings->count = row->noted;
	thread.owed = thread.connecting = 3;
	thread.buffers.live = 3;
	thread.queue = &next;
	thread.now = AT(20);
	period.kind = row->error == LOAD_REFUSED ? PERIOD_CONNECT : PERIOD_RUN;
	period.stop = row->stop ? row->stop : AT(100);
	conn.id = 5;
	conn.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	conn.state = row->state;
	conn.loaded = !row->rests;
	conn.waiting = 1;
	conn.sent = 192;
	conn.received = 128;
	conn.end = "RST";
	conn.verify = (struct verify){.start = 64, .faults = 3, .truncated = true};
	connection_fail(&thread, &conn, row->error, ECONNRESET);
	const struct ending *of = &thread.endings->of[row->noted];
	assert_int_equal(of->connection, row->ending ? 5 : 0);
	if (row->ending)
		assert_string_equal(test_text("%u: %ju %ju %ju %ju %s %d %d %d %s", of->connection,
					      (uintmax_t)of->start, (uintmax_t)of->sent,
					      (uintmax_t)of->received, (uintmax_t)of->wrong,
					      of->end, of->ended, of->unanswered, of->counts,
					      load_error_rows[of->error].name),
				    row->ending);
	assert_int_equal(load_errors_total(&counters->errors), conn.error_counts);
	assert_int_equal(thread.unconnected.of[row->error].first_at, connects ? 20 * NS_PER_MS : 0);
	assert_int_equal(thread.buffers.failed, connects);
	assert_int_equal(thread.buffers.live, connects ? 3 : 2);
	assert_int_equal(thread.owed, ends ? 1 : 2);
	assert_int_equal(thread.connecting, connects ? 2 : 3);
	assert_int_equal(next.timer.at, connects ? AT(20) : 0); // its turn to connect
	assert_int_equal(conn.timer.at, row->again ? AT(120) : 0);
	connection_fail(&thread, &conn, row->error, 0); // again
	assert_int_equal(thread.buffers.failed, 1);
}
