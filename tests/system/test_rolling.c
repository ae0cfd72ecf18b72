// Scenario: two servers behind HAProxy, with tools/deploy/haproxy.cfg, are drained and started
// again one after the other while clients come and go. With --drain-delay no client sees an error;
// without it some do. ECHOD_TEST_SPAN_MS says for how long, at least.
#include <signal.h>
#include <sys/socket.h>

#include "base/cmdline.h"
#include "crowd.h"
#include "ctl.h"
#include "load.h"

#define SERVERS ((size_t)2)
// Of `show stat`.
#define SESSIONS_COLUMN 7
#define ERRORS_COLUMN 13 // connects that failed
#define STATUS_COLUMN 17

static const char configuration[] = DEPLOY_FOLDER "/haproxy.cfg";

static unsigned port, http_port;
static struct process *haproxy, *servers[SERVERS], *load;

// Each is at an address of its own, with the same ports, as on hosts of their own.
static const char *host_of(size_t server) { return test_text("127.0.0.%zu", server + 2); }

static void start_server(size_t server, const char *delay) {
	const char *host = host_of(server);
	servers[server] = process_start_simple(
		ECHOD_PROGRAM, "--listen", test_text("%s:%u", host, port), "--http",
		test_text("%s:%u", host, http_port), "--control", "none", "--drain-delay", delay);
	if (!process_starts(servers[server]))
		fail_msg("echod: %s", process_errors(servers[server], NULL));
}

// What HAProxy knows of a server, of the line `echo,a,...` or `echo,b,...`.
static const char *column(size_t server, unsigned number) {
	static char stat[16384];
	size_t length = 0;
	int fd = ctl_connect(place_path("admin"));
	ctl_send(fd, "show stat\n");
	for (ssize_t got; (got = recv(fd, stat + length, sizeof(stat) - 1 - length, 0)) > 0;)
		length += (size_t)got;
	close(fd);
	stat[length] = '\0';
	char *rest = strstr(stat, server == 0 ? "\necho,a," : "\necho,b,");
	assert_non_null(rest);
	for (unsigned i = 0; i < number; i++)
		strsep(&rest, ",");
	return strsep(&rest, ",");
}

static bool is(const char *status, size_t server) {
	return strcmp(column(server, STATUS_COLUMN), status) == 0;
}

static bool has_errors(size_t server) { return strcmp(column(server, ERRORS_COLUMN), "0") != 0; }

// Two free ports. HAProxy's own socket is a file.
static void choose_ports(void) {
	port = peer_free_port();
	struct sockaddr_in taken = {AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, ""};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&taken, sizeof(taken)), 0);
	http_port = peer_free_port();
	close(fd);
}

// Starts all of it, and clients that make a connection for each message.
static void start_all(const char *delay) {
	choose_ports();
	for (size_t i = 0; i < SERVERS; i++)
		start_server(i, delay);
	haproxy = process_start(
		PROCESS(.arguments = STRINGS("/usr/sbin/haproxy", "-db", "-q", "-f", configuration),
			.environment = STRINGS(
				test_text("ECHO_LISTEN=unix@%s", place_path("front")),
				test_text("ECHO_ADMIN=%s", place_path("admin")),
				test_text("ECHO_A=%s", host_of(0)),
				test_text("ECHO_B=%s", host_of(1)), test_text("ECHO_PORT=%u", port),
				test_text("ECHO_HTTP_PORT=%u", http_port), "ECHO_INTER=100ms")));
	wait_or_fail(ctl_is_live(place_path("admin")), "haproxy: %s",
		     process_errors(haproxy, NULL));
	for (size_t i = 0; i < SERVERS; i++)
		wait_until(is("UP", i));
	load = process_start_simple(LOAD_FOR_RESULT, place_address("front"), "-c", "8", "-m",
				    "churn", "-d", "never", "--allow-errors");
	for (size_t i = 0; i < SERVERS; i++)
		wait_until(strlen(column(i, SESSIONS_COLUMN)) > 2); // a hundred and more
}

// Ends it, and returns what the clients have seen.
static const json_t *end_all(void) {
	process_signal(load, SIGINT);
	process_wait(load);
	const json_t *result = load_result(load);
	for (size_t i = 0; i < SERVERS; i++)
		process_kill(servers[i]);
	process_kill(haproxy);
	assert_int_equal(load_count(result, "faults_found"), 0);
	assert_true(load_count(result, "bytes_verified") > 0);
	return result;
}

// HAProxy notices while the server still accepts.
static void end_unnoticed(size_t server) {
	process_signal(servers[server], SIGTERM);
	wait_until(is("DOWN", server));
	assert_true(process_is_running(servers[server]));
}

static void start_again(size_t server, const char *delay) {
	process_expect_status(servers[server], EXIT_OK);
	wait_until(is("DOWN", server));
	start_server(server, delay);
	wait_until(is("UP", server));
}

TEST(with_a_delay_nobody_sees_it) {
	uint64_t until = clock_deadline(crowd_number("ECHOD_TEST_SPAN_MS", 1) * NS_PER_MS);
	start_all("2s");
	do {
		for (size_t i = 0; i < SERVERS; i++) {
			end_unnoticed(i);
			start_again(i, "2s");
		}
	} while (clock_now() < until);
	for (size_t i = 0; i < SERVERS; i++)
		assert_false(has_errors(i));
	const json_t *result = end_all();
	if (load_errors(result, NULL) > 0)
		fail_msg("errors: %s", json_dumps(load_member(result, "first_errors"), 0));
}

TEST(without_a_delay_clients_see_errors) {
	start_all("0");
	process_signal(servers[0], SIGTERM);
	wait_until(has_errors(0));
	start_again(0, "0");
	assert_true(load_errors(end_all(), NULL) > 0);
}
