// Scenario: the PROXY protocol. Headers of our own in real connections; and those of haproxy and
// nginx, from Debian's packages (tools/install-deps.sh); one that is missing fails the test. The
// first address of the server expects headers, the second does not.
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "base/cmdline.h"
#include "load.h"
#include "peer.h"
#include "proxy/header.h"
#include "stats.h"

#define LISTEN "--listen-proxy", "127.0.0.1:0"
#define V2(rest) PROXY_SIGNATURE rest
#define FOUR "\xc0\0\2\1\xc0\0\2\2\0\11\0\7" // 192.0.2.1:9
#define HEX10 "0123456789abcdef"
#define REFUSED "proxy_rejected_"

// How many open connections the list shows whose peers begin like this.
static size_t shown(struct daemon *daemon, const char *peer) {
	const json_t *reply = stats_ask(daemon, "connections json"), *each;
	size_t index, count = 0;
	json_array_foreach(json_object_get(reply, "connections"), index, each) {
		const char *text = json_string_value(json_object_get(each, "peer"));
		count += peer && strncmp(text, peer, strlen(peer)) == 0;
	}
	return count;
}

// The address of our end, as others see it.
static const char *own_address(int fd) {
	struct endpoint ours = {.length = sizeof(ours.as)};
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(getsockname(fd, &ours.as.any, &ours.length), 0);
	return test_text("%s", endpoint_format(&ours, text));
}

// Whether all is in the server's socket, so that what is sent next comes by itself.
static bool is_delivered(int fd) {
	int left;
	return ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0;
}

static uint64_t all_refused(struct daemon *daemon) {
	static const char *const reasons[] = {"untrusted", "timeout", "malformed", "too_large",
					      "crc",	   "version", "eof"};
	json_t *snapshot = stats_take(daemon);
	uint64_t sum = 0;
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		sum += stats_get(snapshot, test_text(REFUSED "%s", reasons[i]));
	return sum;
}

static const struct header {
	const char *name, *bytes;
	size_t size;
	const char *client; // NULL: none is told
} headers[] = {
#define ROW(name, literal, client) \
	{ name, literal, sizeof(literal) - 1, client }
	ROW("TCP4", "PROXY TCP4 192.0.2.1 192.0.2.2 9 7\r\n", "192.0.2.1:9"),
	ROW("TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 9 7\r\n", "[2001:db8::1]:9"),
	ROW("mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::1 9 7\r\n", "192.0.2.1:9"),
	ROW("UNKNOWN", "PROXY UNKNOWN\r\n", NULL),
	ROW("v2 TCP4", V2("\x21\x11\0\x0c" FOUR), "192.0.2.1:9"),
	ROW("v2 TCP6",
	    V2("\x21\x21\0\x24"
	       "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	       "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
	       "\0\11\0\7"),
	    "[2001:db8::1]:9"),
	ROW("v2 UDP4", V2("\x21\x12\0\x0c" FOUR), NULL),
	ROW("v2 Unix",
	    V2("\x21\x31\0\xd8" HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 HEX10
		       HEX10 HEX10 "01234567"),
	    NULL),
	ROW("v2 UNSPEC", V2("\x21\0\0\0"), NULL),
	ROW("v2 LOCAL", V2("\x20\x11\0\x0c" FOUR), NULL),
	ROW("v2 with TLV", V2("\x21\x11\0\x10" FOUR "\4\0\1x"), "192.0.2.1:9"),
};

// Cut at every byte, all cuts at once; the client's own bytes come with the header's last.
TEST_ROWS(every_header, const struct header *row, headers) {
	struct daemon *daemon = daemon_start(LISTEN);
	char bytes[512];
	int fds[256];
	memcpy(bytes, row->bytes, row->size);
	memcpy(bytes + row->size, "hello", 5);
	peer_connect_all(daemon->address[0], fds, row->size + 1);
	for (size_t cut = 0; cut <= row->size; cut++)
		peer_send(fds[cut], bytes, cut);
	for (size_t cut = 0; cut <= row->size; cut++) {
		int fd = fds[cut];
		wait_until(is_delivered(fd));
		peer_send(fd, bytes + cut, row->size - cut + 5);
		peer_expect_text(fd, "hello");
		peer_ping(fd);
	}
	assert_int_equal(shown(daemon, row->client), row->client ? row->size + 1 : 0);
	assert_int_equal(shown(daemon, own_address(fds[0])), row->client ? 0 : 1);
	peer_close_all(fds, row->size + 1);

	int fd = peer_connect(daemon->address[0]);
	for (size_t i = 0; i < row->size; i++)
		peer_send(fd, &bytes[i], 1);
	peer_ping(fd);
	peer_half_close(fd);
	peer_expect_eof(fd);
	stats_wait_at_rest(daemon);
	assert_int_equal(all_refused(daemon), 0);
	daemon_stop(daemon);
}

// A client whose header, with this index, has been taken.
static int connect_with(struct daemon *daemon, size_t header) {
	int fd = peer_connect(daemon->address[0]);
	peer_send(fd, headers[header].bytes, headers[header].size);
	peer_ping(fd);
	return fd;
}

static const struct refusal {
	const char *name; // of the counter
	const char *bytes;
	size_t size;
} refusals[] = {
#define REFUSAL(name, literal) \
	{ name, literal, sizeof(literal) - 1 }
	REFUSAL("malformed", "GET / HTTP/1.1\r\n\r\n"),
	REFUSAL("malformed", "PROXY TCP4 192.0.2.1  192.0.2.2 9 7\r\n"),
	REFUSAL("malformed", V2("\x21\x11\0\x0b" FOUR)),
	REFUSAL("too_large", V2("\x21\x11\xff\xff" FOUR)),
	REFUSAL("too_large", "PROXY UNKNOWN " HEX10 HEX10 HEX10 HEX10 HEX10 HEX10 "\r\n"),
	REFUSAL("crc", V2("\x21\x11\0\x13" FOUR "\3\0\4\0\0\0\0")),
	REFUSAL("version", V2("\x31\x11\0\x0c" FOUR)),
};

// With a reset, before a byte is echoed.
TEST_ROWS(refuses, const struct refusal *row, refusals) {
	struct daemon *daemon = daemon_start(LISTEN);
	int fd = peer_connect(daemon->address[0]);
	peer_send(fd, row->bytes, row->size);
	peer_expect_reset(fd);
	stats_wait(daemon, test_text(REFUSED "%s", row->name), 1);
	assert_int_equal(all_refused(daemon), 1);
	assert_int_equal(stats_counter(daemon, "connections_accepted"), 0);
	process_expect_error_text(daemon->process, "reset a connection from 127.0.0.1:");
	daemon_stop(daemon);
}

DAEMON_TEST(untrusted, ("--listen-proxy", "127.0.0.1:0,trust=127.0.0.2,10.0.0.0/8")) {
	peer_expect_rejected(daemon->address[0], NULL);
	stats_wait(daemon, REFUSED "untrusted", 1);
	int fd = peer_try_connect(daemon->address[0], "127.0.0.2");
	peer_send(fd, headers[0].bytes, headers[0].size);
	peer_ping(fd);
	assert_int_equal(shown(daemon, "192.0.2.1:9"), 1);
	peer_close(fd);
	process_expect_error_text(daemon->process, " (PROXY)\n");
}

// A silent client is reset after three seconds, and nothing else waits for it. A check that only
// connects is no complaint.
DAEMON_TEST(silent, (LISTEN)) {
	uint64_t begun = clock_now();
	int fd = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_awaiting_header", 1);
	assert_int_equal(stats_counter(daemon, "connections_open"), 0);
	peer_visit(daemon->address[1]);
	peer_close(peer_connect(daemon->address[0]));
	stats_wait(daemon, REFUSED "eof", 1);
	assert_null(strstr(process_errors(daemon->process, NULL), "reset a connection"));
	peer_expect_reset(fd);
	uint64_t took = clock_now() - begun;
	assert_true(took >= 3 * NS_PER_S); // and not when it looks around next
	assert_true(took < 3700 * NS_PER_MS || sizeof(ECHOD_SANITIZE) > 1);
	stats_wait(daemon, REFUSED "timeout", 1);
	stats_wait(daemon, "connections_awaiting_header", 0);
}

#define FLOOD 1100

// More clients without a header than may wait. The other address is served meanwhile, and a client
// behind them when their time is up.
DAEMON_TEST(flood, (LISTEN)) {
	static int fds[FLOOD];
	set_descriptor_limit(FLOOD + 200);
	peer_connect_all(daemon->address[0], fds, FLOOD);
	int last = peer_connect(daemon->address[0]);
	peer_send(last, headers[0].bytes, headers[0].size);
	stats_wait(daemon, "connections_awaiting_header", 1024);
	uint64_t before = process_cpu_time(daemon->process);
	for (int i = 0; i < 20; i++)
		peer_visit(daemon->address[1]);
	peer_expect_quiet(last);
	peer_ping(last);
	assert_true(process_cpu_time(daemon->process) - before < NS_PER_S / 4 ||
		    sizeof(ECHOD_SANITIZE) > 1);
	peer_close_all(fds, FLOOD);
	wait_until(all_refused(daemon) == FLOOD);
	peer_close(last);
}

DAEMON_TEST(those_that_wait_count, (LISTEN, "--max-connections", "2", "--overload", "reset")) {
	int first = peer_connect(daemon->address[0]);
	int second = peer_connect_served(daemon->address[1]);
	stats_wait(daemon, "connections_awaiting_header", 1);
	peer_expect_rejected(daemon->address[1], NULL);
	peer_expect_rejected(daemon->address[0], NULL);
	stats_wait(daemon, "connections_rejected_limit", 2);
	peer_send(first, headers[0].bytes, headers[0].size); // has its place already
	peer_ping(first);
	peer_close(first);
	peer_close(second);
}

// At the limit, where clients wait, headers still come.
DAEMON_TEST(at_the_limit_headers_are_read, (LISTEN, "--max-connections", "1")) {
	int first = peer_connect(daemon->address[0]);
	int second = peer_connect(daemon->address[1]);
	stats_wait_at_least(daemon, "accept_pauses", 1);
	peer_send(first, headers[0].bytes, headers[0].size);
	peer_ping(first);
	peer_close(first);
	peer_ping(second);
	peer_close(peer_connect(daemon->address[0]));
	peer_close(second);
	stats_wait(daemon, REFUSED "eof", 1);
}

// A source is the client that was told, in whatever form.
DAEMON_TEST(sources, (LISTEN, "--max-per-source", "2")) {
	int fds[] = {connect_with(daemon, 0), connect_with(daemon, 2), -1}; // TCP4, mapped
	int more = peer_connect(daemon->address[0]);
	peer_send(more, headers[4].bytes, headers[4].size); // version 2
	peer_expect_reset(more);
	stats_wait(daemon, "connections_rejected_source", 1);
	fds[2] = connect_with(daemon, 1); // another
	peer_close_all(fds, 3);
}

// Those whose header has not come may still go on, in their time.
DAEMON_TEST(drain, (LISTEN)) {
	int late = peer_connect(daemon->address[0]);
	int silent = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_awaiting_header", 2);
	process_signal(daemon->process, SIGTERM);
	process_expect_error_text(daemon->process, "draining");
	peer_send(late, headers[0].bytes, headers[0].size);
	peer_ping(late);
	peer_expect_reset(silent);
	peer_half_close(late);
	peer_expect_eof(late);
	daemon_expect_end(daemon);
	assert_contains(process_errors(daemon->process, NULL), "1 connection accepted, 0 aborted");
}

DAEMON_TEST(stop, (LISTEN, "--drain-timeout", "0")) {
	int fd = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_awaiting_header", 1);
	process_signal(daemon->process, SIGTERM);
	peer_expect_reset(fd);
	daemon_expect_end(daemon);
}

// The log for debugging has both addresses.
DAEMON_TEST(debug_log, (LISTEN, "--log-level", "debug")) {
	int fd = connect_with(daemon, 0);
	process_expect_error_text(daemon->process,
				  test_text("from 192.0.2.1:9 through %s accepted on %s",
					    own_address(fd), daemon->address[0]));
	peer_close(fd);
	peer_close(peer_connect(daemon->address[0]));
	process_expect_error_text(daemon->process, "ended before its PROXY header");
	assert_contains(process_output(daemon->process, NULL),
			test_text("listening on %s (PROXY)\n", daemon->address[0]));
}

// Over a Unix-domain socket, which has no options of TCP. A descriptor that is passed ends a recv.
DAEMON_TEST(unix_domain, ("--listen-proxy", place_address("proxy"), "--patience", "0")) {
	int fd = connect_with(daemon, 0);
	assert_int_equal(shown(daemon, "192.0.2.1:9"), 1);
	for (int i = 0; i < 20; i++) {
		struct iovec byte = {.iov_base = "x", .iov_len = 1};
		union {
			struct cmsghdr head;
			char space[CMSG_SPACE(sizeof(int))];
		} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
				      .cmsg_level = SOL_SOCKET,
				      .cmsg_type = SCM_RIGHTS}};
		struct msghdr message = {.msg_iov = &byte,
					 .msg_iovlen = 1,
					 .msg_control = &control,
					 .msg_controllen = sizeof(control)};
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		peer_send(fd, "a", 1);
		assert_int_equal(sendmsg(fd, &message, 0), 1);
		peer_send(fd, "b", 1);
		peer_expect_text(fd, "axb");
	}
	int local = connect_with(daemon, 9); // LOCAL
	assert_int_equal(shown(daemon, test_text("unix user %u", getuid())), 1);
	peer_close(fd);
	peer_close(local);
}

// Our clients: the header is not part of what is sent and echoed.
DAEMON_TEST(clients,
	    (LISTEN, "--listen-proxy", "[::1]:0", "--listen-proxy", place_address("proxy"))) {
	for (const char *const *kind = STRINGS("v1", "v2", "local"); *kind; kind++) {
		for (size_t at = 0; at < 3; at++) {
			const char *address = daemon->address[at];
			EXPECT_STATUS(EXIT_OK, ECHOCAT_PROGRAM, "--proxy", *kind, address, "-m",
				      "hello");
			const json_t *result = load_run(EXIT_OK, address, "--proxy", *kind, "-c",
							"4", "-m", "churn", "-n", "100");
			assert_int_equal(load_count(result, "bytes_verified"), 100 * 64);
		}
	}
	assert_int_equal(stats_counter(daemon, REFUSED "malformed"), 0);
	uint64_t received = stats_counter(daemon, "bytes_received");
	assert_int_equal(received, stats_counter(daemon, "bytes_sent"));
	assert_int_equal(received, 3 * 3 * (100 * 64 + 5));
	// Without a header, and a header where none is expected.
	EXPECT_STATUS(EXIT_CHECK_FAILED, ECHOCAT_PROGRAM, daemon->address[0], "-m", "hello");
	EXPECT_STATUS(EXIT_CHECK_FAILED, ECHOCAT_PROGRAM, "--proxy", "v1", daemon->address[3], "-m",
		      "hello");
	stats_wait(daemon, REFUSED "malformed", 1);
}

// Whether a proxy of others accepts connections at `address`.
static bool is_up(struct process *process, const char *address) {
	int fd = peer_try_connect(address, NULL);
	if (fd < 0 && !process_is_running(process))
		fail_msg("the proxy ends: %s", process_errors(process, NULL));
	if (fd >= 0)
		peer_close(fd);
	return fd >= 0;
}

#define HAPROXY                                                                                 \
	"defaults\n mode tcp\n timeout connect 20s\n timeout client 60s\n timeout server 60s\n" \
	" timeout check 20s\n unique-id-format abc\n"                                           \
	"listen echo\n bind %s\n server echo 127.0.0.1:%u %s\n"
#define NGINX                                                                      \
	"load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"               \
	"daemon off; master_process off; pid /dev/null; error_log stderr error;\n" \
	"events { }\n"                                                             \
	"stream { server { listen %s; proxy_pass 127.0.0.1:%u; proxy_protocol on; } }\n%s"

static const struct proxy {
	const char *name, *file, *options;
	bool is_nginx, is_unix;
} proxies[] = {
	{"send-proxy", HAPROXY, "send-proxy", false, false},
	{"send-proxy-v2", HAPROXY, "send-proxy-v2", false, false},
	{"send-proxy-v2 with a checksum", HAPROXY,
	 "send-proxy-v2 proxy-v2-options crc32c,unique-id", false, false},
	{"send-proxy for a Unix-domain socket", HAPROXY, "send-proxy", false, true},
	{"send-proxy-v2 for a Unix-domain socket", HAPROXY, "send-proxy-v2", false, true},
	{"check-send-proxy", HAPROXY, "send-proxy check-send-proxy check inter 50ms", false, false},
	{"check-send-proxy of version 2", HAPROXY,
	 "send-proxy-v2 check-send-proxy check inter 50ms", false, false},
	{"nginx", NGINX, "", true, false},
};

static struct process *start_proxy(const struct proxy *proxy, const char *address, unsigned port) {
	const char *bind = address;
	if (proxy->is_unix)
		bind = test_text("unix@%s", address + strlen("unix:"));
	const char *text = test_text(proxy->file, bind, port, proxy->options);
	const char *file = place_file("configuration", text, strlen(text));
	struct process *process =
		proxy->is_nginx
			? process_start_simple("/usr/sbin/nginx", "-p", "/tmp", "-e", "stderr",
					       "-c", file)
			: process_start_simple("/usr/sbin/haproxy", "-db", "-q", "-f", file);
	wait_until(is_up(process, address));
	return process;
}

// What others send for a client is understood: it is seen with its own address, and byte for byte.
// Health checks that send a header are visitors like others.
TEST_ROWS(others, const struct proxy *proxy, proxies) {
	struct daemon *daemon = daemon_start(LISTEN);
	const char *address = proxy->is_unix ? place_address("front")
					     : test_text("127.0.0.1:%u", peer_free_port());
	struct process *process = start_proxy(proxy, address, daemon->port);
	int fd = peer_connect_served(address);
	assert_true(shown(daemon, proxy->is_unix ? "127.0.0.1:" : own_address(fd)) > 0);
	const json_t *result = load_run(EXIT_OK, address, "-c", "8", "-n", "1000");
	assert_int_equal(load_count(result, "bytes_verified"), 1000 * 64);
	peer_close(fd);
	stats_wait_at_least(daemon, "connections_closed_probe",
			    strstr(proxy->options, "check") ? 10 : 1);
	assert_int_equal(all_refused(daemon), 0);
	process_kill(process);
	daemon_stop(daemon);
}
