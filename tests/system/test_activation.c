// Scenario: a service manager listens and hands its sockets over. The test is the manager, in a
// network of its own where port 7 is free; systemd-socket-activate shows the start. The sockets
// stay when the server ends, so a restart refuses nobody.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cmdline.h"
#include "ctl.h"
#include "daemon.h"
#include "load.h"
#include "network.h"
#include "peer.h"

AROUND_ALL(network_enter, NULL);

#define MOST 4

static struct {
	int fds[MOST];	   // in their order; 0: no more
	const char *names; // NULL: none
} handed;

static void lose_port_7(void) {
	if (prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE) != 0)
		_exit(123);
}

// In the child: the descriptors from 3 on, and the variables.
static void hand_over(void) {
	int count = 0;
	for (; count < MOST && handed.fds[count]; count++)
		if (fcntl(handed.fds[count], F_DUPFD, 100 + count) != 100 + count)
			_exit(121);
	for (int i = 0; i < count; i++)
		if (dup2(100 + i, 3 + i) < 0 || close(100 + i) != 0)
			_exit(122);
	setenv("LISTEN_PID", test_text("%d", (int)getpid()), 1);
	if (!getenv("LISTEN_FDS"))
		setenv("LISTEN_FDS", test_text("%d", count), 1);
	if (handed.names)
		setenv("LISTEN_FDNAMES", handed.names, 1);
}

static void hand_over_without_port_7(void) {
	lose_port_7();
	hand_over();
}

static void hand_over_no_count(void) {
	hand_over();
	unsetenv("LISTEN_FDS");
}

BEFORE_EACH { memset(&handed, 0, sizeof(handed)); }

AFTER_EACH {
	for (int i = 0; i < MOST && handed.fds[i]; i++)
		close(handed.fds[i]);
}

// A socket that listens at `address`.
static int listen_on(const char *address) {
	struct endpoint endpoint = peer_endpoint(address);
	int fd = socket(endpoint.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &endpoint.as.any, endpoint.length), 0);
	assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

#define ECHOD_WITH(...) \
	PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, __VA_ARGS__), .prepare = hand_over)

static struct process *start(const struct process_spec *spec) {
	struct process *process = process_start(spec);
	if (!process_starts(process))
		fail_msg("%s", process_errors(process, NULL));
	return process;
}

// A socket is handed over blocking, and would be inherited by children.
static void expect_flags(const struct process *process, int fd) {
	const char *path = test_text("/proc/%d/fdinfo/%d", (int)process_pid(process), fd);
	const char *flags = strstr(place_read(path), "flags:");
	assert_non_null(flags);
	unsigned long value = strtoul(flags + 6, NULL, 8);
	assert_true((value & O_CLOEXEC) && (value & O_NONBLOCK));
}

TEST(sockets_are_taken_as_they_are) {
	const char *path = place_path("echo"), *control = place_path("control");
	handed.fds[0] = listen_on("127.0.0.1:7001");
	handed.fds[1] = listen_on(place_address("echo"));
	handed.fds[2] = listen_on(place_address("control"));
	handed.names = "echod.socket:faultyx:control";
	assert_int_equal(chmod(path, 0612), 0);
	struct stat before, after;
	assert_int_equal(stat(path, &before), 0);
	for (int i = 0; i < 2; i++) { // as often as one likes
		struct process *echod = start(ECHOD_WITH("--idle-timeout", "1h"));
		assert_string_equal(
			process_output(echod, NULL),
			test_text("listening on 127.0.0.1:7001\nlistening on unix:%s\n", path));
		process_expect_error_text(echod, test_text("control socket %s", control));
		process_expect_error_text(echod,
					  "listening on 127.0.0.1:7001, socket echod.socket");
		process_expect_error_text(echod, ", socket faultyx");
		for (int fd = 3; fd < 6; fd++)
			expect_flags(echod, fd);
		peer_visit("127.0.0.1:7001");
		peer_visit(place_address("echo"));
		assert_int_equal(ctl_request(control, "ping", NULL), 200);
		process_end(echod);
		assert_int_equal(stat(path, &after), 0);
		assert_true(after.st_ino == before.st_ino && after.st_mode == before.st_mode);
		assert_true(place_exists(control));
	}
	assert_int_equal(place_count("lock"), 0);
}

TEST(addresses_of_our_own_come_on_top) {
	handed.fds[0] = listen_on("[::]:7001");
	process_end(start(ECHOD_WITH("-c", "none")));
	struct process *echod = start(ECHOD_WITH("-c", "none", "-l", "127.0.0.1:7002"));
	assert_string_equal(process_output(echod, NULL),
			    "listening on [::]:7001\nlistening on 127.0.0.1:7002\n");
	process_expect_error_text(echod, "socket unknown");
	peer_visit("127.0.0.1:7001");
	peer_visit("[::1]:7001");
	peer_visit("127.0.0.1:7002");
	process_end(echod);
	daemon_refuses(
		PROCESS(.arguments = STRINGS("--listen", "0.0.0.0:7001"), .prepare = hand_over),
		EXIT_USAGE, STRINGS("another address to listen on, [::]:7001, covers it"));
}

// [::] takes IPv4: there a client is the one that it is elsewhere.
TEST(an_ipv4_client_of_an_ipv6_socket) {
	handed.fds[0] = listen_on("[::]:7001");
	const char *control = place_path("c");
	struct process *echod =
		start(ECHOD_WITH("-c", control, "-l", "127.0.0.1:7002", "--max-per-source", "1"));
	int client = peer_connect_served("127.0.0.1:7001");
	char *list;
	assert_int_equal(ctl_request(control, "connections", &list), 200);
	assert_contains(list, " 127.0.0.1:");
	assert_null(strstr(list, "ffff"));
	free(list);
	peer_expect_rejected("127.0.0.1:7002", NULL);
	peer_close(client);
	process_end(echod);
}

TEST(a_socket_named_proxy_expects_headers) {
	handed.fds[0] = listen_on("127.0.0.1:7001");
	handed.names = "proxy";
	const char *control = place_path("c");
	struct process *echod = start(ECHOD_WITH("-c", control));
	int client = peer_connect("127.0.0.1:7001");
	static const char sent[] = "PROXY TCP4 192.0.2.7 192.0.2.8 4711 7\r\nhello";
	peer_send(client, sent, strlen(sent));
	peer_expect_text(client, "hello");
	char *list;
	assert_int_equal(ctl_request(control, "connections", &list), 200);
	assert_contains(list, " 192.0.2.7:4711");
	free(list);
	peer_close(client);
	process_end(echod);
}

TEST(sockets_named_faulty_misbehave) {
	handed.fds[0] = listen_on("127.0.0.1:7001");
	handed.fds[1] = listen_on("127.0.0.1:7002");
	handed.names = "faulty=reset,p=100%,delay=5ms..9ms:faulty";
	const char *control = place_path("c");
	struct process *echod = start(ECHOD_WITH("-c", control));
	char *list;
	peer_expect_rejected("127.0.0.1:7001", NULL);
	peer_visit("127.0.0.1:7002");
	assert_int_equal(ctl_request(control, "faults set 127.0.0.1:7002=reset", &list), 200);
	assert_contains(list, "127.0.0.1:7001 reset,delay=5ms..9ms\n");
	free(list);
	peer_expect_rejected("127.0.0.1:7002", NULL);
	process_end(echod);
}

TEST(a_socket_named_http) {
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	handed.fds[0] = listen_on("127.0.0.1:7001");
	handed.names = "http";
	const struct process_spec *spec = ECHOD_WITH("-c", "none", "-l", "127.0.0.1:7002");
	if (!strstr(OUTPUT_OF(ECHOD_PROGRAM, "--help"), "--http")) {
		process_expect_complaint(process_run_to(EXIT_USAGE, spec),
					 "echod: ", STRINGS("built without HTTP"));
		return;
	}
	for (int i = 0; i < 2; i++) { // the first leaves it to the second
		struct process *echod = start(spec);
		assert_string_equal(process_output(echod, NULL),
				    "listening on 127.0.0.1:7002\nhttp on 127.0.0.1:7001\n");
		int client = peer_connect("127.0.0.1:7001");
		peer_send(client, request, strlen(request));
		peer_expect_text(client, "HTTP/1.1 200 OK\r\n");
		peer_close(client);
		process_end(echod);
	}
}

static int made(int family, int type) {
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static int a_file(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }
static int a_datagram_socket(void) { return made(AF_INET, SOCK_DGRAM); }
static int a_packet_socket(void) { return made(AF_UNIX, SOCK_SEQPACKET); }
static int a_silent_socket(void) { return made(AF_INET, SOCK_STREAM); }
static int a_listener(void) { return listen_on("127.0.0.1:0"); }

static char long_name[20000];

static const struct refusal {
	const char *name; // LISTEN_FDS
	int (*first)(void), (*second)(void);
	const char *names, *message;
} refusals[] = {
	{"1", a_file, NULL, NULL, "descriptor 3 (unknown) is no TCP or Unix-domain socket"},
	{"1", a_datagram_socket, NULL, "e",
	 "descriptor 3 (e) is no TCP or Unix-domain socket; its unit needs "
	 "ListenStream="},
	{"1", a_packet_socket, NULL, NULL, "is no TCP or Unix-domain socket"},
	{"1", a_silent_socket, NULL, NULL,
	 "does not listen, as a connection does not; its unit "
	 "needs Accept=no"},
	{"2", a_listener, NULL, NULL, "descriptor 4 (unknown) is not open"},
	{"2", a_listener, a_listener, "one",
	 "$LISTEN_FDNAMES has not the 2 names that $LISTEN_FDS says"},
	{"1", a_listener, NULL, "one:two", "$LISTEN_FDNAMES has not the 1 names"},
	{"1", a_listener, NULL, long_name, "$LISTEN_FDNAMES is too long"},
	{"2", a_listener, a_listener, "control:control", "descriptor 4 (control) is the second"},
	{"1", a_listener, NULL, "control", "is no Unix-domain socket"},
	{"1", a_listener, NULL, "faulty=x", "descriptor 3 (faulty=x) fault 'x': there are reset"},
	{"0", a_listener, NULL, NULL, "$LISTEN_FDS: "},
	{"1x", a_listener, NULL, NULL, "$LISTEN_FDS: "},
	{"65", a_listener, NULL, NULL, "$LISTEN_FDS: "},
};

TEST_ROWS(what_cannot_be_listened_on_is_refused, const struct refusal *row, refusals) {
	handed.fds[0] = row->first();
	handed.fds[1] = row->second ? row->second() : 0;
	handed.names = row->names;
	memset(long_name, 'x', sizeof(long_name) - 1);
	const char *count = test_text("LISTEN_FDS=%s", row->name);
	struct process *echod = process_run_to(
		EXIT_USAGE, PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:0"),
				    .environment = STRINGS(count), .prepare = hand_over));
	process_expect_complaint(echod, "echod: ", STRINGS(row->message));
}

TEST(what_is_no_offer_is_left_alone) {
	handed.fds[0] = a_datagram_socket();
	process_end(start(
		PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:7001", "-c", "none"),
			.in = handed.fds[0], .prepare = hand_over_no_count)));
}

TEST(two_control_sockets_are_refused) {
	handed.fds[0] = listen_on(place_address("control"));
	handed.names = "control";
	daemon_refuses(PROCESS(.arguments = STRINGS(NULL), .prepare = hand_over), EXIT_USAGE,
		       STRINGS("there can be one of each"));
}

TEST(port_7_without_a_privilege) {
	daemon_refuses(
		PROCESS(.arguments = STRINGS("--listen", "127.0.0.1:7"), .prepare = lose_port_7),
		EXIT_UNREACHABLE, STRINGS("cannot listen on 127.0.0.1:7: Permission"));
	handed.fds[0] = listen_on("127.0.0.1:7");
	struct process *echod = start(PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-c", "none"),
					      .prepare = hand_over_without_port_7));
	peer_visit("127.0.0.1:7");
	process_end(echod);
}

// The longest time from the connect to its echo, in ms.
static double churn_over_restarts(const char *address, int restarts) {
	struct process *load = process_start(
		PROCESS(.arguments = STRINGS(LOAD_FOR_RESULT, "-d", "3s", "-c", "8", "-m", "churn",
					     "--linger", "rst", address)));
	struct process *echod = start(ECHOD_WITH("-c", "none", "--drain-timeout", "500ms"));
	for (int i = 0; i < restarts; i++) {
		poll(NULL, 0, 300); // some churn
		process_end(echod);
		echod = start(ECHOD_WITH("-c", "none", "--drain-timeout", "500ms"));
	}
	process_expect_status(load, EXIT_OK);
	process_end(echod);
	json_t *result = load_result(load);
	assert_int_equal(load_errors(result, NULL), 0);
	assert_true(load_count(result, "messages") > 1000);
	return load_number(result, "latency_ns.max") / 1e6;
}

TEST(a_restart_under_churn_refuses_nobody) {
	const char *const addresses[] = {"127.0.0.1:7001", place_address("echo")};
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		handed.fds[0] = listen_on(addresses[i]);
		double wait = churn_over_restarts(addresses[i], 4);
		print_message("%s: a client waited for %.0f ms at most\n", addresses[i], wait);
		assert_true(wait < 5000); // the rest of a drain, and a start
		close(handed.fds[0]);
		handed.fds[0] = 0;
	}
}

TEST(as_systemd_hands_over) {
	for (int named = 0; named < 2; named++) {
		const char *address = test_text("127.0.0.1:%d", 7001 + named);
		struct process *echod = process_start(
			named ? SPEC("systemd-socket-activate", "-l", address, "--fdname=echo",
				     ECHOD_PROGRAM, "-c", place_path("c"))
			      : SPEC("systemd-socket-activate", "-l", address, ECHOD_PROGRAM, "-c",
				     place_path("c")));
		wait_until(peer_port_listens((uint16_t)(7001 + named)));
		int client = peer_connect(address); // starts it
		peer_ping(client);
		peer_close(client);
		process_expect_error_text(echod, named ? "socket echo" : "socket unknown");
		process_end(echod);
	}
}
