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
BEFORE_ALL {
	network_enter();
	FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
	assert_non_null(range);
	fprintf(range, "40000 %d\n", 40000 + PORTS - 1);
	assert_int_equal(fclose(range), 0);
}

// A run that wants more ports than there are.
static json_t *run_out(struct process **process, const char *address, const char *option,
		       const char *value) {
	*process = load_ends(EXIT_CHECK_FAILED, address, option, value, "-d", "500ms", "--json",
			     "-", "--allow-client-bound");
	return load_result(*process);
}

DAEMON_TEST(ports_run_out, ("--listen", "127.0.0.1:7771")) {
	struct process *process;
	json_t *result = run_out(&process, daemon->address[0], "-c", "25");
	uint64_t count = load_errors(result, "out_of_ports");
	assert_int_equal(load_errors(result, NULL), count);
	assert_true(count >= 25 - PORTS);
	assert_contains(load_text(result, "first_errors.out_of_ports"),
			"Cannot assign requested address");
	assert_int_equal(stats_counter(daemon, "connections_accepted"), PORTS);
	assert_contains(process_errors(process, NULL), "-> connect from more addresses");
	stats_wait_at_rest(daemon);
}

// After a FIN the port is kept for a while, after a reset it is not.
DAEMON_TEST(visits_use_up_ports, ("--listen", "127.0.0.1:7774")) {
	struct process *process;
	json_t *result = run_out(&process, daemon->address[0], "-m", "churn");
	assert_true(load_errors(result, "out_of_ports") > 0);
	assert_int_equal(load_count(result, "messages"), PORTS);
	assert_contains(process_errors(process, NULL), "(FIN at the end)");
	assert_contains(process_errors(process, NULL), "--linger rst");
	result = load_run(EXIT_OK, daemon->address[0], "-m", "churn", "-n", "50", "--linger", "rst",
			  "--source", "127.0.0.5");
	assert_int_equal(load_errors(result, NULL), 0);
	stats_wait_at_rest(daemon);
	assert_int_equal(stats_counter(daemon, "connections_closed_peer"), PORTS);
}

// Without an address there is none to connect from, however many ports there are. The last test: it
// takes the network's IPv6 away.
TEST(no_address) {
	FILE *file = fopen("/proc/sys/net/ipv6/conf/all/disable_ipv6", "we");
	assert_non_null(file);
	fputs("1", file);
	assert_int_equal(fclose(file), 0);
	load_refuses(EXIT_UNREACHABLE, "unreachable: Cannot assign", "[::1]:7779", "-n", "1");
}
