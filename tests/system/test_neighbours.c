// Scenario: real proxies between our clients and the server. They come from Debian's packages
// (tools/install-deps.sh); one that is missing fails the test.
#include <fcntl.h>

#include "base/cmdline.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define WORDS 8
#define FILE_NAME "FILE"
#define HAPROXY_WORDS \
	{ "/usr/sbin/haproxy", "-db", "-q", "-f", FILE_NAME }
#define HAPROXY                                                                                 \
	"defaults\n mode tcp\n timeout connect 20s\n timeout client 60s\n timeout server 60s\n" \
	" timeout check 20s\n"                                                                  \
	"listen echo\n bind 127.0.0.1:<\n server echo 127.0.0.1:>"

// The command line of an installed proxy: in the foreground, with a file of its own. In its words
// and its file `<` stands for the port that it listens on, and `>` for that of the server.
struct proxy {
	const char *name;
	const char *words[WORDS]; // FILE_NAME stands for that of its file
	const char *file;
	bool passes_half_close;
};

static const struct proxy proxies[] = {
	{.name = "nginx",
	 .words = {"/usr/sbin/nginx", "-p", "/tmp", "-e", "stderr", "-c", FILE_NAME},
	 .file = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
		 "daemon off; master_process off; pid /dev/null; error_log stderr error;\n"
		 "events { }\n"
		 "stream { server { listen 127.0.0.1:<; proxy_pass 127.0.0.1:>; } }\n"},
	{.name = "rinetd",
	 .words = {"/usr/sbin/rinetd", "-f", "-c", FILE_NAME},
	 .file = "127.0.0.1 < 127.0.0.1 >\npidlogfile /dev/null\n"},
	{.name = "redir", .words = {"/usr/bin/redir", "-n", "127.0.0.1:<", "127.0.0.1:>"}},
	{.name = "haproxy",
	 .words = HAPROXY_WORDS,
	 .file = HAPROXY "\n",
	 .passes_half_close = true},
};

#define LONG_SIZE ((size_t)1 << 20)
static char long_text[LONG_SIZE];

static unsigned port; // of the proxy
static const char *address;
static struct process *started;

static const char *fill_in(const char *text, const struct daemon *daemon) {
	size_t plain;
	while (text[plain = strcspn(text, "<>")])
		text = test_text("%.*s%u%s", (int)plain, text,
				 text[plain] == '<' ? port : daemon->port, text + plain + 1);
	return text;
}

// Starts it in front of `daemon`, and waits until it accepts connections.
static void start_proxy(const struct proxy *proxy, const struct daemon *daemon) {
	const char *arguments[WORDS + 1] = {NULL};
	port = peer_free_port();
	for (size_t i = 0; i < WORDS && proxy->words[i]; i++) {
		arguments[i] = fill_in(proxy->words[i], daemon);
		if (strcmp(arguments[i], FILE_NAME) != 0)
			continue;
		const char *file = fill_in(proxy->file, daemon);
		arguments[i] = place_file("proxy", file, strlen(file));
	}
	if (access(arguments[0], X_OK) != 0)
		fail_msg("there is no %s: tools/install-deps.sh installs it", arguments[0]);
	started = process_start(PROCESS(.arguments = arguments));
	address = test_text("127.0.0.1:%u", port);
	int fd;
	wait_until((fd = peer_try_connect(address, NULL)) >= 0 || !process_is_running(started));
	if (fd < 0)
		fail_msg("%s: %s", arguments[0], process_errors(started, NULL));
	peer_close(fd);
}

// Starts echocat with these bytes as its input, and another option or NULL.
static struct process *relay(const char *bytes, size_t size, const char *option) {
	int in = open(place_file("input", bytes, size), O_RDONLY | O_CLOEXEC);
	assert_true(in >= 0);
	struct process *process = process_start(
		PROCESS(.arguments = STRINGS(ECHOCAT_PROGRAM, address, option), .in = in));
	close(in);
	return process;
}

static void expect_echo(const char *bytes, size_t size, const char *option) {
	struct process *process = relay(bytes, size, option);
	process_expect_status(process, EXIT_OK);
	size_t length;
	const char *output = process_output(process, &length);
	assert_int_equal(length, size);
	assert_memory_equal(output, bytes, size);
}

// Sometimes a proxy sees the FIN only after the last byte of the echo.
static bool half_close_is_explained(void) {
	struct process *process = relay(long_text, LONG_SIZE, "--half-close");
	if (process_wait(process) == EXIT_OK)
		return false;
	process_expect_status(process, EXIT_CHECK_FAILED);
	assert_contains(process_errors(process, NULL),
			"(a proxy that does not pass a half-close ends both ways");
	return true;
}

static void expect_clean(json_t *result, uint64_t bytes) {
	assert_int_equal(load_errors(result, NULL), 0);
	assert_int_equal(load_count(result, "faults_found"), 0);
	assert_int_equal(load_count(result, "bytes_verified"), bytes);
}

TEST_ROWS(proxy, const struct proxy *proxy, proxies) {
	struct daemon *daemon = daemon_start(NULL);
	start_proxy(proxy, daemon);
	pattern_fill(1, 0, long_text, LONG_SIZE);
	expect_echo("hello", 5, NULL);
	expect_echo(long_text, LONG_SIZE, NULL);
	if (proxy->passes_half_close)
		expect_echo(long_text, LONG_SIZE, "--half-close");
	else
		wait_until(half_close_is_explained());
	expect_clean(load_run(EXIT_OK, address, "-c", "8", "-n", "1000"), 1000 * 64);
	expect_clean(load_run(EXIT_OK, address, "-c", "2", "-m", "stream", "-n", "20"), 20 * 65536);
	expect_clean(load_run(EXIT_OK, address, "-c", "2", "-m", "churn", "-n", "20"), 20 * 64);
	stats_assert_laws(daemon);
	process_kill(started);
	stats_wait_at_rest(daemon);
	daemon_stop(daemon);
}

// HAProxy's health checks, with and without a word, end with a reset and lose nothing by it. Those
// with a word are the clock for the others, which are as fast.
DAEMON_TEST(health_checks, (NULL)) {
	static const struct proxy checking = {
		.words = HAPROXY_WORDS,
		.file = HAPROXY " check inter 20ms\n"
				"backend talking\n server echo 127.0.0.1:> check inter 20ms\n"
				" option tcp-check\n tcp-check send hello\n"
				" tcp-check expect string hello\n",
	};
	start_proxy(&checking, daemon);
	stats_wait_at_least(daemon, "connections_closed_reset_ok", 20);
	expect_echo("hello", 5, NULL);
	stats_assert_laws(daemon);
	assert_int_equal(stats_counter(daemon, "connections_closed_reset"), 0);
	process_kill(started);
}
