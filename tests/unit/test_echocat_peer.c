// The client's connection, and one message out and back: tools/echocat/peer and exchange.
#include "expect.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "echocat/exchange.h"
#include "echocat/peer.h"
#include "later.h"

#define TIMEOUT (5 * NS_PER_S)
#define SHORT (20 * NS_PER_MS)

static struct peer peer; // the client's end
static int server;	 // the other end; -1: closed
static char reply[10];
static struct exchange exchange;

BEFORE_EACH {
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	peer = (struct peer){.fd = ends[0]};
	server = ends[1];
	exchange = (struct exchange){.message = "hello", .length = 5, .reply = reply};
}

static void close_server(void) {
	close(server);
	server = -1;
}

AFTER_EACH {
	peer_close(&peer);
	if (server >= 0)
		close_server();
}

static void say(const char *bytes) {
	assert_int_equal(write(server, bytes, strlen(bytes)), strlen(bytes));
}

static void expect_exchange(int interrupt, uint64_t timeout, enum exchange_end end,
			    size_t received) {
	assert_int_equal(exchange_run(&exchange, &peer, interrupt, timeout), end);
	assert_int_equal(exchange.received, received);
}

// In place of the pair: a socket bound to a free port of the loopback interface.
static struct address address;

static void bind_free_port(void) {
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(name);
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&name, length), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&name, &length), 0);
	address = (struct address){.port = ntohs(name.sin_port), .host = "127.0.0.1"};
}

TEST(connects_to_a_listener_without_delay, .setup = bind_free_port) {
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(peer_connect(&peer, &address, TIMEOUT, PROXY_NONE, NULL), 0);
	assert_int_equal(socket_option(peer.fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_string_equal(peer.name, test_text("127.0.0.1:%u", address.port));
}

// The port is bound and nobody listens: it refuses, and nobody else can take it.
TEST(refusal_names_address_and_reason, .setup = bind_free_port) {
	struct echod_error error = {0};
	int result = peer_connect(&peer, &address, CLOCK_NEVER, PROXY_NONE, &error);
	const char *text =
		test_text("cannot connect to 127.0.0.1:%u: Connection refused", address.port);
	assert_string_equal(error.message, text);
	assert_error(result, &error, ECHOD_ERROR_SYSTEM, text);
	assert_int_equal(peer.fd, -1);
}

TEST(sending_and_receiving_never_wait) {
	static char bytes[65536];
	ssize_t count;
	assert_int_equal(peer_receive(&peer, bytes, sizeof(bytes)), 0);
	while ((count = peer_send(&peer, bytes, sizeof(bytes))) > 0)
		;
	assert_int_equal(count, 0);
	assert_int_equal(peer.broken, 0);
}

TEST(end_of_stream_has_a_reason) {
	char byte;
	close_server();
	assert_int_equal(peer_receive(&peer, &byte, 1), -1);
	assert_string_equal(peer_end_text(&peer), "the peer closed the connection");
	assert_int_equal(peer_send(&peer, "x", 1), -1); // and no SIGPIPE
	assert_int_equal(peer.broken, EPIPE);
	assert_string_equal(peer_end_text(&peer), "Broken pipe");
}

TEST(echo_completes_the_exchange) {
	char sent[5];
	say("hello"); // an echo that is there already
	expect_exchange(-1, TIMEOUT, EXCHANGE_COMPLETE, 5);
	assert_memory_equal(reply, "hello", 5);
	assert_int_equal(read(server, sent, sizeof(sent)), 5);
	assert_memory_equal(sent, "hello", 5);
}

TEST(exchange_sees_one_byte_too_many) {
	say("hellodef");
	expect_exchange(-1, TIMEOUT, EXCHANGE_COMPLETE, 6);
}

TEST(exchange_ends_with_the_connection_after_what_came) {
	say("he");
	close_server();
	expect_exchange(-1, TIMEOUT, EXCHANGE_BROKEN, 2);
}

TEST(silence_times_out) {
	uint64_t begun = clock_now();
	say("he");
	expect_exchange(-1, SHORT, EXCHANGE_TIMED_OUT, 2);
	assert_true(clock_now() - begun >= SHORT);
}

// Half of the time-out passes before each byte: it begins anew with each.
static void *say_slowly(void *argument) {
	for (const char *byte = "hello"; *byte; byte++) {
		int unread = 1;
		later += TIMEOUT / 2;
		say((char[]){*byte, '\0'});
		while (unread > 0 && ioctl(server, SIOCOUTQ, &unread) == 0)
			sched_yield();
	}
	return NULL;
}

TEST(silence_counts_from_the_last_byte) {
	pthread_t thread = thread_begin(say_slowly, NULL);
	expect_exchange(-1, TIMEOUT, EXCHANGE_COMPLETE, 5);
	thread_end(thread);
}

TEST(interrupt_ends_the_wait) {
	int interrupt[2];
	assert_int_equal(pipe(interrupt), 0);
	assert_int_equal(write(interrupt[1], "", 1), 1);
	expect_exchange(interrupt[0], TIMEOUT, EXCHANGE_INTERRUPTED, 0);
	close(interrupt[0]);
	close(interrupt[1]);
}
