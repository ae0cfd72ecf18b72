// Scenario: more connections than there are local ports. In a network of the test's own, whose
// range of ports is narrow. Each test has its own port of the server: a local port that was used
// towards another one is not free at once.
#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "network.h"
#include "stats.h"

#define PORTS 10

// For all tests of this file, and the processes that they start.
static void enter_own_network(void) {
	network_enter();
	FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
	assert_non_null(range);
	fprintf(range, "40000 %d\n", 40000 + PORTS - 1);
	assert_int_equal(fclose(range), 0);
}

FIXTURE_ONCE(enter_own_network, NULL);

// A run that wants more ports than there are.
static json_t *run_out(struct process **process, const char *address, const char *option,
		       const char *value) {
	int status = LOAD(process, address, option, value, "-d", "500ms", "--json", "-",
			  "--allow-client-bound");
	load_expect_status(*process, status, EXIT_CHECK_FAILED);
	return load_result(*process);
}

TEST(ports_run_out) {
	static const char address[] = "127.0.0.1:7771";
	struct daemon *daemon = daemon_start("--listen", address, NULL);
	struct process *process;
	json_t *result = run_out(&process, address, "-c", "25");
	uint64_t count = load_errors(result, "out_of_ports");
	assert_int_equal(load_errors(result, NULL), count);
	assert_true(count >= 25 - PORTS);
	const char *first = json_string_value(load_member(result, "first_errors.out_of_ports"));
	assert_contains(first, "Cannot assign requested address");
	assert_int_equal(stats_counter(daemon, "connections_accepted"), PORTS);
	assert_contains(process_errors(process, NULL), "-> connect from more addresses");
	stats_wait_at_rest(daemon);
	daemon_stop(daemon);
}

// What echoload says helps does.
TEST(more_sources_help) {
	static const char address[] = "127.0.0.1:7772";
	struct daemon *daemon = daemon_start("--listen", address, NULL);
	json_t *result = load_run(EXIT_OK, address, "-c", "30", "-d", "500ms", "--source",
				  "127.0.0.2,127.0.0.3,127.0.0.4");
	assert_int_equal(load_errors(result, NULL), 0);
	assert_int_equal(stats_counter(daemon, "connections_accepted"), 30);
	stats_wait_at_rest(daemon);
	daemon_stop(daemon);
}

// After a FIN the port is kept for a while, after a reset it is not.
TEST(visits_use_up_ports) {
	static const char address[] = "127.0.0.1:7774";
	struct daemon *daemon = daemon_start("--listen", address, NULL);
	struct process *process;
	json_t *result = run_out(&process, address, "-m", "churn");
	assert_true(load_errors(result, "out_of_ports") > 0);
	assert_int_equal(load_count(result, "messages"), PORTS);
	assert_contains(process_errors(process, NULL), "(FIN at the end)");
	assert_contains(process_errors(process, NULL), "--linger rst");
	result = load_run(EXIT_OK, address, "-m", "churn", "-n", "50", "--linger", "rst",
			  "--source", "127.0.0.5");
	assert_int_equal(load_errors(result, NULL), 0);
	stats_wait_at_rest(daemon);
	assert_int_equal(stats_counter(daemon, "connections_closed_peer"), PORTS);
	daemon_stop(daemon);
}

// Not one connection comes about, as all ports are taken.
TEST(no_port_at_all) {
	static const char address[] = "127.0.0.1:7773";
	struct daemon *daemon = daemon_start("--listen", address, NULL);
	struct process *first =
		process_start_simple(ECHOLOAD_PROGRAM, address, "-c", "10", "-d", "never");
	stats_wait(daemon, "connections_open", PORTS);
	struct process *process;
	int status = LOAD(&process, address, "-d", "never");
	load_expect_refusal(process, status, EXIT_UNREACHABLE, "out_of_ports");
	process_kill(first);
	stats_wait_at_rest(daemon);
	daemon_stop(daemon);
}

// Without an address there is none to connect from, however many ports there are. The last test: it
// takes the network's IPv6 away.
TEST(no_address) {
	FILE *file = fopen("/proc/sys/net/ipv6/conf/all/disable_ipv6", "we");
	assert_non_null(file);
	fputs("1", file);
	assert_int_equal(fclose(file), 0);
	struct process *process;
	int status = LOAD(&process, "[::1]:7779", "-n", "1");
	load_expect_refusal(process, status, EXIT_UNREACHABLE, "unreachable: Cannot assign");
}
