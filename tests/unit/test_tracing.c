// What is told of a traced connection, in a server of the test's own: src/trace, control/tracing.
#include "expect.h"

#include "control/tracing.h"
#include "inside.h"
#include "peer.h"
#include "process.h"
#include "server/service.h"

#define L "[^\n]*"
#define ROUNDS "(" L "(parked|taken by)" L "\n)*"
#define ECHOED "received 64 bytes\n *sent 64 bytes\n"

BEFORE_EACH {
	inside_configure();
	inside->config.patience = test_with() ? CLOCK_NEVER : PATIENCE;
	inside->config.listen[0].is_faulty = true; // without faults so far
	inside_start();
}

AROUND_EACH(NULL, inside_end);

static enum status status;

static const char *ask(uint64_t id, bool is_picture) {
	char *body = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&body, &length);
	status = tracing_answer(&inside->server, id, is_picture, out);
	assert_int_equal(fclose(out), 0);
	return test_keep(body);
}

// All that is told of connection `id` until it holds `text`, or until its end.
static const char *told(uint64_t id, const char *text) {
	const char *all = "";
	wait_until((all = test_text("%s%s", all, ask(id, false)),
		    text ? strstr(all, text) != NULL : status == STATUS_ENDED));
	return all;
}

// Wants lines like this, whose times, where they have one, go up.
static void expect_pattern(const char *text, const char *pattern) {
	double before = 0, seconds;
	if (!matches(text, pattern))
		fail_msg("not %s: %s", pattern, text);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		bool has_time = line[10] != ' ' && sscanf(line, "%lf", &seconds) == 1;
		assert_true(!has_time || seconds >= before);
		before = has_time ? seconds : before;
	}
}

static void expect_untraced(void) {
	struct server *server = &inside->server;
	assert_true(server->pool.config.serve == service_serve_for(server, false));
	assert_true(atomic_load(&server->pool.dedicated_max) > 0);
}

static void visit(void) {
	int fd = peer_connect_served(inside_address());
	peer_half_close(fd);
	peer_expect_eof(fd);
}

TEST(a_life_is_told_in_order) {
	assert_string_equal(ask(0, false), "connection 1\n    seconds      after  event\n");
	int fd = peer_connect_served(inside_address());
	const char *all = told(1, "sent 64 bytes\n                        parked\n");
	visit(); // of which nothing is told
	peer_close(fd);
	const char *rest = told(1, NULL);
	assert_true(matches(rest, "^ *[0-9.]+ +[0-9.]+ [mu]?s  ")); // since what was told before
	expect_pattern(test_text("%s%s", all, rest),
		       "^ *0\\.[0-9]{6} {13}accepted from 127" L "\n" L "s +queued\n" L
		       " taken by worker [12]\n" ROUNDS L ECHOED ROUNDS L "closed: peer\n$");
	expect_untraced();
	assert_string_equal(ask(1, false), "trace: no connection 1 is open\n");
	assert_int_equal(status, STATUS_NOT_FOUND);
	assert_contains(ask(0, false), "connection 3\n"); // in the same place
	visit();
	expect_pattern(told(3, NULL), "^" L "accepted from 127" L "\n" L
				      "s +queued\n.*" ECHOED ROUNDS L "closed: peer\n$");
}

TEST(a_kept_connection_has_one_turn, .with = {"--patience never"}) {
	ask(0, false);
	visit();
	expect_pattern(told(1, NULL), "by worker .*received 64 .*sent 64 .* closed: peer\n$");
}

// Its worker does not look for traces, and waits for it for longer than this test does.
TEST(a_busy_connection_is_met) {
	int fd = peer_connect_served(inside_address());
	const char *all = ask(1, false);
	assert_contains(all, " the trace begins after 64 bytes received\n");
	wait_until((peer_ping(fd), all = test_text("%s%s", all, ask(1, false)),
		    strstr(all, "  received 64")));
	peer_close(fd);
	expect_pattern(test_text("%s%s", all, told(1, NULL)), ECHOED ROUNDS L "closed: peer\n$");
	expect_untraced();
}

// The same worker closes it.
TEST(one_that_ends_before_it_is_met_is_missed) {
	const struct worker *workers = inside->server.pool.workers;
	int fd = peer_connect_served(inside_address());
	wait_until(workers[0].state == WORKER_BLOCKED || workers[1].state == WORKER_BLOCKED);
	ask(1, false);
	peer_close(fd);
	assert_contains(told(1, NULL), " closed before it could be traced\n");
	expect_untraced();
}

TEST(a_client_that_does_not_read_is_told) {
	ask(0, false);
	int fd = peer_connect(inside_address());
	uint64_t sent = peer_fill(fd, 1, UINT64_MAX);
	assert_contains(told(1, "parked until it can send"), "received ");
	struct stream stream = {.fd = fd, .seed = 1, .total = sent, .sent = sent};
	stream_run(&stream, 1);
	peer_close(fd);
	assert_contains(told(1, NULL), "closed: peer\n");
}

TEST(a_delay_is_told) {
	struct fault_set set;
	assert_int_equal(fault_set_parse("delay=20ms", &set, NULL), 0);
	faults_set(&inside->server.faults, 0, &set);
	ask(0, false);
	peer_close(peer_connect_served(inside_address()));
	assert_contains(told(1, NULL), " parked by a fault\n");
}

TEST(lost_events_are_counted) {
	ask(0, true);
	int fd = peer_connect(inside_address());
	struct trace *trace = trace_find(inside->server.traces, 1);
	wait_until((peer_ping(fd), atomic_load(&trace->total) > TRACE_EVENTS + 100));
	peer_ping_last(fd);
	wait_until(atomic_load(&trace->is_over));
	uint64_t lost = atomic_load(&trace->total) - TRACE_EVENTS;
	const char *all = ask(1, false);
	assert_int_equal(process_count_lines(all), TRACE_EVENTS + 1);
	expect_pattern(all, test_text(" lost, .* too many: %ju events\n", (uintmax_t)lost));
}

TEST(traces_that_nobody_asks_for_end) {
	for (uint64_t id = 1; id <= TRACES_MAX; id++)
		assert_contains(ask(0, false), test_text("connection %ju\n", (uintmax_t)id));
	assert_string_equal(ask(0, false), "trace: there are 4 already\n");
	assert_int_equal(status, STATUS_BUSY);
	visit(); // while they are on
	struct trace *last = trace_find(inside->server.traces, TRACES_MAX);
	tracing_expire(&inside->server, last->asked_at + 5 * NS_PER_S);
	assert_int_equal(last->id, TRACES_MAX);
	tracing_expire(&inside->server, last->asked_at + 5 * NS_PER_S + 1);
	expect_untraced();
	assert_contains(ask(0, true), "<title>connection 2</title>"); // left to inside_end
}

// Two events at once, 20 us, a second: each power of ten from 1 us on is a step down.
TEST(a_picture_shows_where_it_is_and_for_how_long) {
	static const struct trace_event events[] = {{TRACE_accepted, 5 * NS_PER_S, 0},
						    {TRACE_queued, 5 * NS_PER_S, 0},
						    {TRACE_taken, 5 * NS_PER_S + 20000, 2},
						    {TRACE_sent, 6 * NS_PER_S, 7},
						    {TRACE_parked, 6 * NS_PER_S, 0}};
	ask(0, true);
	struct trace *trace = trace_find(inside->server.traces, 1);
	memcpy(trace->events, events, sizeof(events));
	trace->origin.accepted_at = events[0].at;
	atomic_store(&trace->total, COUNT_OF(events));
	const char *svg = ask(1, true);
	assert_contains(svg, " width=\"980\" height=\"190\">\n<title>connection 1</title>\n");
	assert_contains(svg, "<text class=\"lane\" x=\"500\" y=\"24\">worker</text>"
			     "<path class=\"lane\" d=\"M500 34V180\"/>\n");
	assert_contains(svg, "<path class=\"rest\" d=\"M300 66V82\"/>\n"
			     "<path marker-end=\"url(#tip)\" d=\"M300 82H400\"/>"
			     "<text class=\"end\" x=\"80\" y=\"86\"></text>"
			     "<text class=\"end\" x=\"150\" y=\"86\"></text>"
			     "<text x=\"660\" y=\"86\">queued</text>\n"
			     "<path class=\"rest\" d=\"M400 82V108\"/>\n"
			     "<path marker-end=\"url(#tip)\" d=\"M400 108H500\"/>"
			     "<text class=\"end\" x=\"80\" y=\"112\">0.000020</text>"
			     "<text class=\"end\" x=\"150\" y=\"112\">20.0 us</text>"
			     "<text x=\"660\" y=\"112\">taken by worker 2</text>\n"
			     "<path class=\"rest\" d=\"M500 108V154\"/>\n"
			     "<path marker-end=\"url(#tip)\" d=\"M500 154H200\"/>");
	assert_contains(svg, "<path class=\"rest\" d=\"M500 154V170\"/>\n");
}
