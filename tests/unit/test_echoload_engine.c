// The load engine against servers in this process, which count what they get: tools/echoload/load.
#include "expect.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/signals.h"
#include "echoload/load/engine.h"
#include "echoload/load/generator.h"
#include "inside.h"
#include "odd_server.h"
#include "process.h"

#define SIZE 64
#define SLICE (30 * NS_PER_MS)

static struct load_config config;
static struct counters counters;
static uint64_t lasted;
static struct engine *engine;
static size_t servers; // that run, in this process

static void set_target(size_t index, const char *text) {
	struct address address;
	struct echod_error error;
	assert_int_equal(address_parse(text, &address, &error), 0);
	assert_int_equal(address_resolve(&address, &config.targets[index], 1, &error), 1);
}

BEFORE_EACH {
	config = (struct load_config){
		.target_count = 1,
		.connections = 6,
		.threads = 2,
		.pipeline = 1,
		.timeout = 10 * NS_PER_S,
		.run = 1,
		.verify = true,
	};
	struct echod_error error;
	assert_int_equal(sizes_parse("64", &config.sizes, &error), 0);
	for (size_t i = 2; i-- > 0;) {
		inside_use(i);
		inside_configure();
	}
}

static void close_engine(void) {
	if (engine)
		engine_close(engine, NULL);
	engine = NULL;
}

AFTER_EACH {
	close_engine();
	while (servers > 0) {
		inside_use(--servers);
		inside_end();
	}
}

static void start_servers(size_t count) {
	for (servers = 0; servers < count; servers++) {
		inside_use(servers);
		inside_start();
		set_target(servers, inside_address());
	}
}

static void open_engine(void) {
	struct echod_error error = {0};
	engine = engine_open(&config, &error);
	if (!engine)
		fail_msg("%s", error.message);
}

static int slice(uint64_t groups, uint64_t duration) {
	return engine_slice(engine, groups, duration, &counters, &lasted);
}

static uint64_t received(size_t server) {
	inside_use(server);
	return inside_counter(COUNTER_bytes_received);
}

// Lets a slice pass in which something was answered. On a busy machine a thread of the generator
// may sleep for all of a short one; then nothing is sent.
static void pass_well(uint64_t groups) {
	uint64_t deadline = clock_deadline(20 * NS_PER_S);
	do {
		assert_true(clock_now() < deadline);
		assert_int_equal(slice(groups, SLICE), 0);
		if (config.rate == 0) // else this thread may have slept beyond the end
			assert_int_equal(counters.unanswered, 0);
	} while (counters.messages == 0);
	assert_int_equal(counters.latency.count, counters.messages + counters.unanswered);
	assert_int_equal(counters.bytes, counters.messages * SIZE);
	assert_int_equal(counters.verified, counters.bytes);
	assert_int_equal(counters.fault_count, 0);
	assert_int_equal(load_errors_total(&counters.errors), 0);
	assert_true(lasted > 0);
	assert_true(counters.unanswered > 0 || counters.latency.max <= lasted);
}

TEST(only_the_groups_of_a_slice_are_loaded) {
	static const uint64_t groups[] = {1, 2, 2, 3, 1};
	config.target_count = 2;
	config.by_target = true;
	start_servers(2);
	open_engine();
	assert_int_equal(engine->threads[0].count, 4); // two to each target
	assert_true(engine->conn[0].random.state != engine->conn[1].random.state);
	for (size_t i = 0; i < COUNT_OF(groups); i++) {
		const uint64_t before[] = {received(0), received(1)};
		pass_well(groups[i]);
		uint64_t sum = before[0] + before[1] + counters.bytes;
		wait_until(received(0) + received(1) == sum);
		assert_int_equal(received(0) > before[0], groups[i] & 1);
		assert_int_equal(received(1) > before[1], groups[i] >> 1);
	}
	for (size_t i = 0; i < 2; i++) { // those that rest are kept
		inside_use(i);
		assert_int_equal(inside_counter(COUNTER_connections_accepted), 3);
	}
}

TEST(a_new_connection_goes_on_with_the_stream) {
	config.mode = MODE_CHURN;
	config.visit = 3;
	start_servers(1);
	open_engine();
	struct thread *thread = engine->threads;
	struct connection *conn = thread->connections;
	conn->sent = 192;
	conn->failed = conn->hung_up = true;
	conn->broken = EPIPE;
	conn->end = "RST";
	conn->answered = conn->before.retransmits = 7;
	connecting_begin(thread, conn, 21);
	assert_true(!conn->hung_up && !conn->broken && !conn->end && conn->error == LOAD_ERRORS);
	assert_int_equal(poll(&(struct pollfd){conn->fd, .events = POLLOUT}, 1, 20000), 1);
	assert_true(connecting_finish(thread, conn, 22));
	assert_true(thread->connecting == 0 && thread->buffers.live == 1 && !conn->failed);
	assert_true(thread->buffers.connected == 1 && thread->sockets.least_round_trip > 0);
	assert_true(conn->verify.start == 192 && conn->goal == 192 && conn->answered == 192);
	assert_true(conn->due_since == 21 && conn->free_since == 22 && conn->left == 3);
	assert_int_equal(conn->before.retransmits, 0);
}

static struct engine_result result;
static uint64_t recorded, until; // messages, and ns
static unsigned live;		 // at its end

static bool go_on(void *context, const struct progress *progress) {
	assert_true(progress->elapsed < 20 * NS_PER_S);
	return true;
}

static void take_interval(void *context, const struct interval *interval) {
	uint64_t length = config.interval ? config.interval : NS_PER_S;
	assert_int_equal(interval->from, until);
	assert_true(interval->last || interval->to == until + length);
	recorded += interval->counters->messages;
	live = interval->live;
	until = interval->to;
}

// A run, of which `result` has to be freed. The engine stays open.
static void run(bool (*report)(void *context, const struct progress *progress), void *context) {
	const struct engine_calls calls = {take_interval, report, context};
	struct echod_error error;
	recorded = until = 0;
	open_engine();
	uint64_t from = clock_wall() + config.warmup;
	assert_int_equal(engine_run(engine, &calls, &result, &error), 0);
	assert_in_range(result.started, from + 19 * NS_PER_MS, clock_wall() - result.lasted);
	assert_true(until >= result.lasted);
	assert_true(result.usage.stalled == 0 || result.usage.stalled > 5 * NS_PER_MS);
	assert_int_equal(result.counters->messages, recorded);
	assert_int_equal(result.live, live);
}

static uint64_t own_time(void) {
	struct timespec used;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

TEST(a_run_may_come_before_slices_with_more_connections) {
	config.extra = 3;
	config.duration = 10 * SLICE;
	config.interval = SLICE;
	start_servers(1);
	uint64_t before = own_time();
	run(go_on, NULL); // for which this thread waits, and does not poll
	assert_true(own_time() - before < 3 * SLICE);
	assert_int_equal(result.live, 6);
	assert_int_equal(result.lasted, config.duration);
	assert_int_equal(result.usage.tcp.sockets, 6);
	assert_in_range(result.usage.tcp.least_round_trip, 1, 10000000); // us
	engine_result_free(&result);
	static const unsigned accepted[] = {0, 6, 9, 9, 9};
	for (uint64_t groups = 1; groups <= 3; groups++) {
		pass_well(groups);
		assert_int_equal(inside_counter(COUNTER_connections_accepted), accepted[groups]);
	}
}

// Starts the server again, once, when all are connected: it aborts the connections.
static bool restart_once(void *context, const struct progress *progress) {
	bool *restarted = context;
	if (*restarted || progress->live < config.connections)
		return true;
	*restarted = true;
	const char *address = test_text("%s", inside_address());
	inside_end();
	inside_configure();
	inside_listen(address);
	inside_start();
	return true;
}

TEST(what_happens_in_the_warm_up_is_in_no_figure) {
	config.duration = NS_PER_S;
	for (uint64_t warmup = 0; warmup <= 2; warmup += 2) {
		bool restarted = false;
		config.warmup = warmup * NS_PER_S;
		inside_configure();
		start_servers(1);
		run(restart_once, &restarted);
		after_each();
		assert_true(restarted);
		assert_int_equal(result.connected, 12);
		assert_int_equal(load_errors_total(&result.counters->errors) == 0, warmup > 0);
		assert_int_equal(result.counters->unanswered == 0, warmup > 0);
		assert_int_equal(result.counters->bytes, result.counters->verified);
		// A thread reads its clock some time after it was to.
		assert_true(result.usage.thread[0].at < NS_PER_S * 3 / 2);
		engine_result_free(&result);
	}
}

static uint64_t due_of_run(double rate, unsigned connections, unsigned threads) {
	config.rate = rate;
	config.connections = connections;
	config.threads = threads;
	uint64_t from = clock_now();
	run(go_on, NULL);
	close_engine();
	uint64_t took = clock_now() - from, due = result.counters->due;
	assert_true(took < 20 * NS_PER_S);
	assert_int_equal(due, result.counters->latency.count);
	assert_int_equal(due, result.counters->uncorrected.count + result.counters->unanswered);
	assert_true(result.counters->latency.max < took);
	engine_result_free(&result);
	return due;
}

// Message i of all is due at i / rate, on any connection.
TEST(as_many_are_due_as_the_rate_says) {
	static const struct {
		double rate;
		unsigned connections, threads;
		uint64_t due; // of 300 ms, after 100 ms
	} runs[] = {
		{50, 40, 1, 15}, {50, 40, 2, 15},   {30, 6, 2, 9},	    {7, 3, 2, 2},
		{1, 1, 1, 0},	 {1000, 7, 2, 300}, {1e9, 6, 2, 300000000}, {1e7, 1, 1, 3000000},
	};
	config.warmup = 100 * NS_PER_MS;
	config.duration = 300 * NS_PER_MS;
	start_servers(1);
	for (size_t i = 0; i < COUNT_OF(runs); i++)
		assert_int_equal(due_of_run(runs[i].rate, runs[i].connections, runs[i].threads),
				 runs[i].due);
	config.arrival = ARRIVAL_POISSON;
	uint64_t due = due_of_run(1e9, 6, 2); // those never begun are as many as are expected
	assert_in_range(due, 299000000, 301000000);
}

TEST(a_run_of_so_many_ends_with_the_last) {
	config.count = 50;
	config.duration = 10 * NS_PER_S;
	start_servers(1);
	run(go_on, NULL);
	assert_int_equal(result.counters->messages, 50);
	assert_in_range(result.lasted, 1, 9 * NS_PER_S);
	engine_result_free(&result);
}

static void pass_three_slices(void) {
	open_engine();
	for (int slices = 0; slices < 3; slices++) {
		uint64_t before = received(0);
		pass_well(1);
		wait_until(received(0) == before + counters.bytes);
		assert_int_equal(counters.due, config.rate > 0 ? counters.latency.count : 0);
	}
	close_engine();
}

TEST(slices_hold_in_each_mode) {
	static const struct load_config modes[] = {
		{.mode = MODE_PING, .pipeline = 1},
		{.mode = MODE_PING, .pipeline = 1, .rate = 2000},
		{.mode = MODE_STREAM, .pipeline = 8},
		{.mode = MODE_CHURN, .pipeline = 1, .visit = 3},
		{.mode = MODE_HALF_CLOSE, .pipeline = 1, .visit = 64},
		{.mode = MODE_IDLE, .pipeline = 1, .rate = 200},
	};
	start_servers(1);
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		config.mode = modes[i].mode;
		config.pipeline = modes[i].pipeline;
		config.visit = modes[i].visit;
		config.rate = modes[i].rate;
		pass_three_slices();
	}
}

TEST(nobody_to_connect_to_is_no_slice) {
	static const enum load_mode modes[] = {MODE_PING, MODE_CHURN};
	start_servers(1);
	after_each();
	config.visit = 1;
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		config.mode = modes[i];
		open_engine();
		assert_int_equal(slice(1, SLICE), -1);
		close_engine();
	}
	config.target_count = 2; // the other target, which is not loaded, is not asked
	config.by_target = true;
	open_engine();
	assert_int_equal(slice(1, SLICE), -1);
}

// CPUs and sources that there are not; the first of each is.
TEST(what_cannot_be_used_is_named) {
	struct echod_error error;
	struct rlimit all;
	rlim_t few = set_descriptor_limit(1000);
	config.cpus[0] = (unsigned)sched_getcpu();
	config.cpus[1] = CPU_SETSIZE - 1;
	config.cpu_count = 2;
	assert_error(engine_open(&config, &error) ? 0 : -1, &error, ECHOD_ERROR_USAGE, "CPU 1023");
	getrlimit(RLIMIT_NOFILE, &all);
	assert_int_equal(all.rlim_cur, all.rlim_max);
	set_descriptor_limit(few);
	config.source_count = 2;
	assert_int_equal(endpoint_from_ip("127.0.0.2", &config.sources[0], NULL), 0);
	assert_int_equal(endpoint_from_ip("192.0.2.1", &config.sources[1], NULL), 0);
	assert_error(engine_open(&config, &error) ? 0 : -1, &error, ECHOD_ERROR_USAGE,
		     "'192.0.2.1' cannot be used: Cannot assign");
}

TEST(a_slice_without_an_answer_has_not_lasted) {
	set_target(0, odd_server(ODD_SILENT)->address);
	config.timeout = 50 * NS_PER_MS;
	open_engine();
	assert_int_equal(slice(1, SLICE), 0);
	assert_true(lasted == 0 && counters.errors.of[LOAD_TIMEOUT].count >= 6);
}

TEST(a_signal_ends_a_slice) {
	set_target(0, odd_server(ODD_ECHOES, .deaf = 1)->address);
	signals_open(NULL);
	signals_heed(1);
	config.timeout = 60 * NS_PER_S; // the end of a connection is not awaited for that long
	open_engine();
	pass_well(1);
	kill(getpid(), SIGTERM);
	uint64_t from = clock_now();
	assert_int_equal(slice(1, 60 * NS_PER_S), -1);
	uint64_t ended = clock_now();
	close_engine(); // hears what the server says
	assert_true(clock_now() - from < 20 * NS_PER_S && clock_now() - ended >= 250 * NS_PER_MS);
	close(signals_fd());
}
