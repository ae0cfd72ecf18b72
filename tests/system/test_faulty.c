// Scenario: --faulty. echoload names each fault rightly; haproxy's and nginx's time-outs fire; no
// worker is held; the laws hold; the faults change over the control socket.
#include <signal.h>

#include "base/cmdline.h"
#include "ctl.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define COUNTER_OF "faults_injected_"

// A server whose second address, after a sound one, has faults.
#define FAULTY(value) "--listen", "127.0.0.1:0", "--faulty", value

static struct daemon *start(const char *faults) {
	return daemon_start("--listen", "127.0.0.1:0", "--faulty",
			    test_text("127.0.0.1:0=%s", faults), "--workers", "1");
}

// The other address is as sound as ever.
static void stop(struct daemon *daemon) {
	for (int i = 0; i < 3; i++)
		peer_visit(daemon->address[0]);
	stats_wait_at_rest(daemon);
	daemon_stop(daemon);
}

// What echoload is to do.
#define STREAM \
	{ "-m", "stream", "--size", "1m", "-n", "4" }
#define VISIT \
	{ "--size", "8k", "-n", "1" }
#define VAIN \
	{ "-n", "1", "--timeout", "200ms" }
#define VISIT_IN_VAIN \
	{ "--size", "8k", "-n", "1", "--timeout", "200ms" }
#define CHURN \
	{ "-m", "churn", "-n", "30" }
#define TWENTY \
	{ "-n", "20" }

static const struct scene {
	const char *name, *counter;
	const char *options[8];
	const char *fault, *error; // as echoload names them; NULL: none
	int status;		   // its exit status
	uint64_t injected;	   // at least
} scenes[] = {
	{"flip=64k", "flip", STREAM, "flipped", "mismatch", EXIT_CHECK_FAILED, 1},
	{"lose=64k", "lose", STREAM, "lost", "mismatch", EXIT_CHECK_FAILED, 1},
	{"repeat=64k", "repeat", STREAM, "repeated", "mismatch", EXIT_CHECK_FAILED, 1},
	{"close-after=4k", "close", VISIT, "truncated", "short", EXIT_CHECK_FAILED, 1},
	{"half-close-after=4k", "half_close", VISIT, "truncated", "short", EXIT_CHECK_FAILED, 1},
	{"reset-after=4k", "reset_after", VISIT, NULL, "early_close", EXIT_INCONCLUSIVE, 1},
	{"reset,p=50%,seed=3", "reset", CHURN, NULL, "early_close", EXIT_CHECK_FAILED, 10},
	{"silent,flip=64,repeat=64", "silent", VAIN, NULL, "timeout", EXIT_INCONCLUSIVE, 1},
	{"stall-after=4k", "stall", VISIT_IN_VAIN, NULL, "timeout", EXIT_INCONCLUSIVE, 1},
	{"silent,close-after=64", "close", {"-n", "1"}, NULL, "early_close", EXIT_INCONCLUSIVE, 1},
	{"delay=20ms", "delay", {"-n", "10"}, NULL, NULL, EXIT_OK, 10},
	{"trickle=2k", "trickle", {"--size", "400", "-n", "2"}, NULL, NULL, EXIT_OK, 1},
	{"delay=1ms..9ms,trickle=100k,flip=1m,p=0,reset,p=0%", "delay", TWENTY, NULL, NULL, EXIT_OK,
	 20},
};

// Every fault gets the name and the place that it has in the log.
static void expect_place(struct daemon *daemon, const json_t *result, const struct scene *scene) {
	const json_t *fault = json_array_get(load_member(result, "faults"), 0);
	assert_string_equal(json_string_value(load_member(fault, "kind")), scene->fault);
	assert_contains(process_errors(daemon->process, NULL),
			test_text("fault on purpose: %.*s at byte %ju of connection 1 ",
				  (int)strcspn(scene->name, "="), scene->name,
				  (uintmax_t)load_count(fault, "offset")));
}

TEST_ROWS(named, const struct scene *scene, scenes) {
	struct daemon *daemon = start(scene->name);
	const char *const *arguments = load_arguments(
		STRINGS(LOAD_FOR_RESULT, daemon->address[1], "-c", "1"), scene->options);
	const json_t *result = load_run_with(PROCESS(.arguments = arguments), scene->status);
	if (scene->error)
		assert_true(load_errors(result, scene->error) >= 1);
	assert_int_equal(load_errors(result, NULL),
			 scene->error ? load_errors(result, scene->error) : 0);
	if (scene->fault)
		expect_place(daemon, result, scene);
	else
		assert_int_equal(load_count(result, "faults_found"), 0);
	stats_wait(daemon, "connections_open", 0);
	const json_t *entry =
		json_array_get(json_object_get(stats_ask(daemon, "ledger json"), "ledger"), 0);
	if (scene->fault || strchr(scene->name, ',') == NULL)
		assert_memory_equal(scene->name, load_text(entry, "fault"),
				    strcspn(scene->name, "="));
	uint64_t injected = stats_counter(daemon, test_text(COUNTER_OF "%s", scene->counter));
	assert_true(injected >= scene->injected);
	if (strncmp(scene->name, "silent", 6) == 0) // nothing goes
		assert_int_equal(stats_counter(daemon, COUNTER_OF "flip"), 0);
	stop(daemon);
}

// What the peer of a cut connection gets: exactly so many bytes, then exactly this end.
TEST(ends) {
	struct daemon *daemon = daemon_start(FAULTY("127.0.0.1:0=close-after=10"), "--faulty",
					     "127.0.0.1:0=reset-after=10", "--faulty",
					     "127.0.0.1:0=half-close-after=10", "--faulty",
					     "127.0.0.1:0=stall-after=10,delay=30ms");
	int fds[4];
	for (size_t i = 0; i < 4; i++) {
		fds[i] = peer_connect(daemon->address[i + 1]);
		peer_send(fds[i], "0123", 4);
		peer_expect_text(fds[i], "0123");
		peer_send(fds[i], "456789abcdef", i == 0 ? 6 : 12);
		peer_expect_text(fds[i], "456789");
	}
	peer_expect_eof(fds[0]);
	peer_expect_reset(fds[1]);
	char byte;
	assert_int_equal(recv(fds[2], &byte, 1, 0), 0);
	peer_send(fds[2], "more", 4);
	stats_wait(daemon, "bytes_received", 10 + 10 + 20 + 10);
	peer_close(fds[2]);
	stats_wait(daemon, "connections_closed_fault", 3);
	peer_expect_quiet(fds[3]);
	const json_t *list = json_object_get(stats_ask(daemon, "connections json"), "connections");
	assert_string_equal(load_text(json_array_get(list, 0), "faults"), "delay,stall-after");
	char *body;
	assert_int_equal(ctl_request(daemon->control, "connections", &body), 200);
	assert_contains(body, " delay,stall-after\n");
	free(body);
	peer_close(fds[3]);
	stats_wait(daemon, "connections_closed_fault", 4);
	stop(daemon);
}

#define CROWD 100

// A hundred connections are delayed at a time by one worker, which serves another meanwhile.
TEST(delays_hold_no_worker, .with = {"--patience 5ms", "--patience 0"}) {
	struct daemon *daemon = daemon_start(FAULTY("127.0.0.1:0=delay=1s"), "--workers", "1");
	int fds[CROWD];
	uint64_t begun = clock_now();
	peer_connect_all(daemon->address[1], fds, CROWD);
	for (size_t i = 0; i < CROWD; i++)
		peer_send(fds[i], "x", 1);
	uint64_t sent = clock_now();
	for (int i = 0; i < 20; i++)
		peer_visit(daemon->address[0]);
	assert_true(!peer_is_readable(fds[CROWD - 1]) || clock_now() >= begun + NS_PER_S);
	uint64_t used = process_cpu_time(daemon->process);
	for (size_t i = 0; i < CROWD; i++)
		peer_expect_text(fds[i], "x");
	uint64_t now = clock_now();
	assert_true(now >= begun + NS_PER_S);
	// Far less than one after the other, and no polling.
	assert_true(now < sent + CROWD / 4 * NS_PER_S);
	assert_true(process_cpu_time(daemon->process) - used < NS_PER_S / 2 ||
		    sizeof(ECHOD_SANITIZE) > 1);
	assert_int_equal(stats_counter(daemon, COUNTER_OF "delay"), CROWD);
	peer_close_all(fds, CROWD);
	stop(daemon);
}

// Which of 64 connections are reset.
static uint64_t pattern(const char *address) {
	uint64_t reset = 0;
	for (int i = 0; i < 64; i++) {
		char byte = 'x';
		int fd = peer_connect(address);
		if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1)
			reset |= UINT64_C(1) << i;
		peer_close(fd);
	}
	return ~reset;
}

TEST(same_seed_same_connections) {
	struct daemon *daemon = daemon_start(FAULTY("127.0.0.1:0=reset,p=50%,seed=5"), "--faulty",
					     "127.0.0.1:0=reset,p=0.5,seed=5,silent,p=0",
					     "--faulty", "127.0.0.1:0=reset,p=0.5,seed=6");
	uint64_t first = pattern(daemon->address[1]);
	assert_in_range(__builtin_popcountll(first), 16, 48);
	assert_int_equal(pattern(daemon->address[2]), first);
	assert_true(pattern(daemon->address[3]) != first);
	uint64_t second = pattern(daemon->address[1]);
	assert_true(second != first); // it goes on
	char *body;
	const char *request = test_text("faults set %s=reset,p=0.5,seed=5", daemon->address[1]);
	assert_int_equal(ctl_request(daemon->control, request, &body), 200);
	free(body);
	assert_int_equal(pattern(daemon->address[1]), first); // from the beginning
	assert_int_equal(pattern(daemon->address[1]), second);
	stop(daemon);
}

static void ask(struct daemon *daemon, const char *request, int status, const char *part) {
	char *body;
	assert_int_equal(ctl_request(daemon->control, request, &body), status);
	assert_contains(body, part);
	free(body);
}

TEST(live) {
	struct daemon *daemon = start("silent");
	const char *address = daemon->address[1];
	int silent = peer_connect(address);
	peer_send(silent, "a", 1);
	stats_wait(daemon, COUNTER_OF "silent", 1);
	ask(daemon, "faults", 200, test_text("%s silent\n", address));
	assert_int_equal(stats_get(stats_take(daemon), "faults_active"), 1);
	ask(daemon, test_text("faults clear %s", address), 200, test_text("%s none\n", address));
	assert_int_equal(stats_get(stats_take(daemon), "faults_active"), 0);
	process_expect_error_text(daemon->process, "misbehave on purpose: none");
	peer_visit(address);
	peer_send(silent, "b", 1); // keeps its own
	stats_wait(daemon, "connections_closed_peer", 1);
	peer_expect_quiet(silent);
	ask(daemon, test_text("faults set %s=reset", address), 200, " reset\n");
	peer_expect_rejected(address, NULL);
	ask(daemon, test_text("faults set %s=reset,p=10", address), 400, "'p=10': a share is");
	ask(daemon, test_text("faults set %s=reset", daemon->address[0]), 400, "no --faulty");
	ask(daemon, test_text("faults clear %s", daemon->address[0]), 400, "no --faulty");
	ask(daemon, "faults set 127.0.0.1:0=close-after=1", 200, " close-after=1\n"); // as written
	ask(daemon, "faults clear", 400, "allowed: set ADDRESS=FAULT[,FAULT...]");
	ask(daemon, "faults set 127.0.0.1:0", 400, "allowed: set ADDRESS=FAULT[,FAULT...]");
	ask(daemon, "faults set", 400, "allowed: set ADDRESS=FAULT[,FAULT...]");
	ask(daemon, "faults explode x", 400, "'explode' is not allowed");
	ask(daemon, "faults clear a b", 400, "two arguments at most");
	peer_close(silent);
	stop(daemon);
}

DAEMON_TEST(only_if_asked_for, (NULL)) {
	ask(daemon, "faults", 403, "started with --faulty");
	ask(daemon, test_text("faults clear %s", daemon->address[0]), 403, "--faulty");
}

static const struct bad {
	const char *value, *part;
} bads[] = {
	{"127.0.0.1:0", "ADDRESS=FAULT[,FAULT...] is expected"},
	{"127.0.0.1:0=explode", "ADDRESS=FAULT[,FAULT...] is expected"},
	{"127.0.0.1:0=reset,explode", "fault 'explode': there are reset, delay"},
	{"127.0.0.1:0=delay=20", "fault 'delay=20': '20' is not a duration"},
	{"127.0.0.1:x=reset", "127.0.0.1:x"},
};

TEST_ROWS(refused, const struct bad *bad, bads) {
	daemon_refuses(SPEC("--faulty", bad->value), EXIT_USAGE, STRINGS("--faulty", bad->part));
}

// A drain ends connections that wait for a delay, stall, or are silent.
TEST(stop_aborts_all) {
	struct daemon *daemon = daemon_start(
		FAULTY("127.0.0.1:0=delay=1h"), "--faulty", "127.0.0.1:0=stall-after=0", "--faulty",
		"127.0.0.1:0=half-close-after=0", "--drain-timeout", "0");
	int fds[3];
	for (size_t i = 0; i < 3; i++) {
		fds[i] = peer_connect(daemon->address[i + 1]);
		peer_send(fds[i], "x", 1);
	}
	stats_wait(daemon, COUNTER_OF "delay", 1);
	stats_wait(daemon, COUNTER_OF "stall", 1);
	stats_wait(daemon, "bytes_received", 1);
	process_signal(daemon->process, SIGTERM);
	daemon_expect_end(daemon);
	peer_close_all(fds, 3);
}

// Over a Unix-domain socket, and much of it, through all that keeps time and order.
DAEMON_TEST(much, ("--faulty", test_text("%s=delay=1ms..3ms,trickle=64m", place_address("echo")))) {
	struct stream stream = stream_open(daemon->address[0], 1, 4 << 20);
	stream_run(&stream, 1);
	stats_wait_at_rest(daemon);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), 4 << 20);
}

#define HAPROXY                                                           \
	"defaults\n mode tcp\n timeout connect 9s\n timeout client 30s\n" \
	" timeout server 300ms\nlisten echo\n bind %s\n server echo %s\n"
#define NGINX                                                                \
	"load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"         \
	"daemon off; master_process off; pid /dev/null; error_log stderr;\n" \
	"events { }\n"                                                       \
	"stream { server { listen %s; proxy_timeout 300ms; proxy_pass %s; } }\n"

static bool is_up(const char *address) {
	int fd = peer_try_connect(address, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

// The time-outs of others fire after their time: the client is let go, and the server knows.
TEST(time_outs_of_others, .with = {"silent", "stall-after=1"}) {
	struct daemon *daemon = start(test_with());
	for (int nginx = 0; nginx < 2; nginx++) {
		const char *front = test_text("127.0.0.1:%u", peer_free_port());
		const char *text = test_text(nginx ? NGINX : HAPROXY, front, daemon->address[1]);
		const char *file = place_file("configuration", text, strlen(text));
		struct process *proxy =
			nginx ? process_start_simple("/usr/sbin/nginx", "-p", "/tmp", "-e",
						     "stderr", "-c", file)
			      : process_start_simple("/usr/sbin/haproxy", "-db", "-q", "-f", file);
		wait_until(is_up(front));
		uint64_t begun = clock_now(); // nginx's time may run from the connect
		int fd = peer_connect(front);
		peer_send(fd, "xyz", 3);
		peer_expect_closed(fd);
		assert_true(clock_now() - begun >= 300 * NS_PER_MS - 10 * NS_PER_MS);
		stats_wait(daemon, "connections_open", 0);
		process_kill(proxy);
	}
	stop(daemon);
}
