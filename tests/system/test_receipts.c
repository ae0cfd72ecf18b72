// Scenario: echoload --control accounts for each fault that the server has injected, and says where
// bytes were lost and what changed an end between the two.
#include <ctype.h>

#include "base/cmdline.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define CONTROLLED(daemon, address) "--control", (daemon)->control, "--allow-errors", address

static struct daemon *start(const char *faults, const char *ledger) {
	return daemon_start("--listen", "127.0.0.1:0", "--faulty",
			    test_text("127.0.0.1:0=%s", faults), "--ledger", ledger);
}

static uint64_t count_in(const json_t *result, const char *name) {
	return load_count(result, test_text("evidence.ledger.%s", name));
}

static struct process *run(struct daemon *daemon, const char *const *options) {
	const char *const *all = load_arguments(
		STRINGS(LOAD_FOR_RESULT, CONTROLLED(daemon, daemon->address[1])), options);
	struct process *load = process_start(PROCESS(.arguments = all));
	process_wait(load);
	return load;
}

#define TENTH ",p=10%,"
#define FEW ",p=3%," // as each costs a time-out

static const struct kind {
	const char *name, *counter, *seen;
} kinds[] = {
	{"reset", "reset", "reset"},
	{"delay", "delay", "latency"},
	{"trickle", "trickle", "latency"},
	{"flip", "flip", "mismatch"},
	{"lose", "lose", "mismatch"},
	{"repeat", "repeat", "mismatch"},
	{"silent", "silent", "timeout"},
	{"stall-after", "stall", "timeout"},
	{"close-after", "close", "FIN"},
	{"reset-after", "reset_after", "reset"},
	{"half-close-after", "half_close", "FIN"},
};

// What the server has counted is accounted for to the last one, of all kinds at a time.
TEST(all_kinds) {
	struct daemon *daemon =
		start("reset" TENTH "delay=1ms" TENTH "trickle=1m" TENTH "flip=2k" TENTH
		      "lose=2k" FEW "repeat=2k" TENTH "silent" FEW "stall-after=2k" FEW
		      "close-after=2k" TENTH "reset-after=3k" TENTH "half-close-after=3k,p=10%",
		      "1000");
	struct process *load = run(daemon, STRINGS("-m", "churn", "--visit", "4", "--size", "1k",
						   "-c", "20", "-n", "800", "--timeout", "1s"));
	const json_t *result = load_result(load);
	assert_int_equal(json_array_size(load_member(result, "evidence.ledger.receipts")),
			 COUNT_OF(kinds));
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const json_t *receipt =
			load_member(result, test_text("evidence.ledger.receipts.%zu", i));
		const char *name;
		json_t *count;
		uint64_t sum = 0;
		assert_string_equal(load_text(receipt, "fault"), kinds[i].name);
		assert_int_equal(
			load_count(receipt, "injected"),
			stats_counter(daemon, test_text("faults_injected_%s", kinds[i].counter)));
		assert_true(load_count(receipt, "found") <= load_count(receipt, "injected"));
		assert_true(load_count(receipt, test_text("seen.%s", kinds[i].seen)) > 0);
		json_object_foreach(json_object_get(receipt, "seen"), name, count) {
			sum += (uint64_t)json_integer_value(count);
		}
		assert_int_equal(sum, load_count(receipt, "connections"));
	}
	assert_int_equal(count_in(result, "unexplained"), 0);
	assert_int_equal(count_in(result, "unknown"), 0);
	daemon_stop(daemon);
}

TEST(each_flip_is_found) {
	struct daemon *daemon = start("flip=16k", "1000");
	const json_t *result =
		load_result(run(daemon, STRINGS("-c", "1", "--size", "96k", "-n", "4")));
	uint64_t injected = stats_counter(daemon, "faults_injected_flip");
	assert_true(injected >= 6);
	assert_int_equal(count_in(result, "receipts.0.injected"), injected);
	assert_int_equal(count_in(result, "receipts.0.found"), injected);
	daemon_stop(daemon);
}

// What has been overwritten is unknown.
TEST(a_small_ledger) {
	struct daemon *daemon = start("reset-after=100", "7");
	struct process *load = process_start_simple(
		ECHOLOAD_PROGRAM, CONTROLLED(daemon, daemon->address[1]), "-c", "5", "--json",
		place_path("json"), "-n", "30", "--no-experiment");
	process_wait(load);
	const json_t *result = load_result_of_file(place_path("json"));
	uint64_t all = count_in(result, "connections"), unknown = count_in(result, "unknown");
	assert_true(all >= 15);
	assert_int_equal(all - unknown, 7);
	assert_int_equal(count_in(result, "receipts.0.injected"), 7);
	assert_contains(process_output(load, NULL), "\n              reset-after: 7 injected: ");
	assert_contains(process_output(load, NULL), test_text("%ju of %ju connections are unknown:",
							      (uintmax_t)unknown, (uintmax_t)all));
	daemon_stop(daemon);
}

static bool is_up(const char *address) {
	int fd = peer_try_connect(address, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

// Runs one message of `size` bytes through a relay at `front`; the report, in one line.
static const char *report_through(struct daemon *daemon, const char *front, const char *size,
				  const json_t **result) {
	wait_until(is_up(front));
	struct process *load =
		load_ends(EXIT_INCONCLUSIVE, CONTROLLED(daemon, front), "-c", "1", "-n", "1",
			  "--size", size, "--timeout", "200ms", "--json", place_path("json"));
	char *text = test_keep(strdup(process_output(load, NULL))), *to = text;
	for (const char *from = text; *from; from++) // as it was before it was wrapped
		if (!isspace((unsigned char)*from) || (to > text && to[-1] != ' '))
			*to++ = isspace((unsigned char)*from) ? ' ' : *from;
	*to = '\0';
	*result = load_result_of_file(place_path("json"));
	return text;
}

// A byte that a relay swallows; through it the first bytes tell which connection it is.
DAEMON_TEST(lost_on_the_way_there, (NULL)) {
	const json_t *result;
	const char *front = test_text("127.0.0.1:%u", peer_free_port());
	process_start_simple(BROKEN_RELAY_PROGRAM, "loses-piece", front, daemon->address[0]);
	assert_contains(report_through(daemon, front, "301", &result),
			"ledger 1 of 1 connection with an error found in the server's ledger "
			"connection 0 sent 301, server received 300 and sent 300, came back 300: 1 "
			"lost on the way there; ended by the peer (peer)");
	assert_true(json_is_null(load_member(result, "evidence.ledger.unexplained")));
	assert_int_equal(count_in(result, "errors.0.server.bytes_received"), 300);
	assert_contains(report_through(daemon, front, "400", &result),
			"connection 0 sent 400, server received 399 and sent 399, came back 398: 1 "
			"lost on the way there, 1 lost on the way back;");
}

#define HAPROXY                                                           \
	"defaults\n mode tcp\n timeout connect 9s\n timeout client 30s\n" \
	" timeout server 30s\nlisten echo\n bind %s\n server echo %s\n"

// haproxy makes FIN of a server's reset: docs/conformance.md.
TEST(translated_by_haproxy) {
	const json_t *result;
	struct daemon *daemon = start("reset-after=100", "1000");
	const char *front = test_text("127.0.0.1:%u", peer_free_port());
	const char *text = test_text(HAPROXY, front, daemon->address[1]);
	const char *file = place_file("configuration", text, strlen(text));
	process_start_simple("/usr/sbin/haproxy", "-db", "-q", "-f", file);
	const char *report = report_through(daemon, front, "200", &result);
	assert_contains(report,
			"ended by the server (fault); server sent RST, we saw FIN: "
			"something between translated it reset-after: 1 "
			"injected: 1 seen as FIN 1 connection compared, 0 with an error that no "
			"fault explains");
	assert_string_equal(load_text(result, "evidence.ledger.errors.0.server.own_end"), "RST");
	assert_string_equal(load_text(result, "evidence.ledger.errors.0.end"), "FIN");
	daemon_stop(daemon);
}

// A loss for which no fault was injected.
TEST(unexplained) {
	const json_t *result;
	struct daemon *daemon = start("flip=1m", "1000");
	const char *front = test_text("127.0.0.1:%u", peer_free_port());
	process_start_simple(BROKEN_RELAY_PROGRAM, "loses-piece", front, daemon->address[1]);
	assert_contains(report_through(daemon, front, "301", &result),
			"(peer) 1 connection compared, 1 with an error that no fault explains");
	assert_int_equal(count_in(result, "unexplained"), 1);
	daemon_stop(daemon);
}
