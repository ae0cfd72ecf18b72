// The client's connection, and one message out and back: tools/echocat/peer and exchange.
#include "test.h"

#include <netinet/tcp.h>

#include "base/clock.h"
#include "echocat/exchange.h"
#include "echocat/peer.h"

#define TIMEOUT (5 * NS_PER_S)
#define SHORT (20 * NS_PER_MS)

struct pair {
	struct peer peer; // the client's end
	int server;
};

static struct pair open_pair(void) {
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	return (struct pair){.peer = {.fd = ends[0]}, .server = ends[1]};
}

static void close_pair(struct pair *pair) {
	peer_close(&pair->peer);
	if (pair->server >= 0)
		close(pair->server);
}

static void say(const struct pair *pair, const char *bytes) {
	assert_int_equal(write(pair->server, bytes, strlen(bytes)), strlen(bytes));
}

// A socket bound to a free port of the loopback interface; `address` gets it.
static int bind_free_port(struct address *address, struct sockaddr_in *name) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	*name = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(*name);
	assert_int_equal(bind(fd, (struct sockaddr *)name, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)name, &length), 0);
	*address = (struct address){.port = ntohs(name->sin_port), .host = "127.0.0.1"};
	return fd;
}

TEST(connects_to_a_listener_without_delay) {
	struct address address;
	struct sockaddr_in name;
	struct peer peer;
	struct echod_error error = {0};
	int listener = bind_free_port(&address, &name);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(peer_connect(&peer, &address, TIMEOUT, &error), 0);
	int no_delay = 0;
	socklen_t length = sizeof(no_delay);
	assert_int_equal(getsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
	assert_true(no_delay);
	char text[40];
	snprintf(text, sizeof(text), "127.0.0.1:%u", address.port);
	assert_string_equal(peer.name, text);
	peer_close(&peer);
	close(listener);
}

TEST(refusal_names_address_and_reason) {
	struct address address;
	struct sockaddr_in name;
	struct peer peer;
	struct echod_error error = {0};
	int bound = bind_free_port(
		&address, &name); // bound and not listening: refuses, and nobody else takes it
	assert_int_equal(peer_connect(&peer, &address, CLOCK_NEVER, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
	char text[80];
	snprintf(text, sizeof(text), "cannot connect to 127.0.0.1:%u: Connection refused",
		 address.port);
	assert_string_equal(error.message, text);
	assert_int_equal(peer.fd, -1);
	close(bound);
}

TEST(sending_and_receiving_never_wait) {
	struct pair pair = open_pair();
	static char bytes[65536];
	ssize_t count;
	assert_int_equal(peer_receive(&pair.peer, bytes, sizeof(bytes)), 0);
	while ((count = peer_send(&pair.peer, bytes, sizeof(bytes))) > 0)
		;
	assert_int_equal(count, 0);
	assert_int_equal(pair.peer.broken, 0);
	close_pair(&pair);
}

TEST(end_of_stream_tells_why) {
	struct pair pair = open_pair();
	char byte;
	close(pair.server);
	pair.server = -1;
	assert_int_equal(peer_receive(&pair.peer, &byte, 1), -1);
	assert_string_equal(peer_end_text(&pair.peer), "the peer closed the connection");
	assert_int_equal(peer_send(&pair.peer, "x", 1), -1); // and no SIGPIPE
	assert_int_equal(pair.peer.broken, EPIPE);
	assert_string_equal(peer_end_text(&pair.peer), "Broken pipe");
	close_pair(&pair);
}

TEST(echo_completes_the_exchange) {
	struct pair pair = open_pair();
	char reply[6];
	char sent[5];
	struct exchange exchange = {.message = "hello", .length = 5, .reply = reply};
	say(&pair, "hello"); // an echo that is there already
	assert_int_equal(exchange_run(&exchange, &pair.peer, -1, TIMEOUT), EXCHANGE_COMPLETE);
	assert_int_equal(exchange.received, 5);
	assert_memory_equal(reply, "hello", 5);
	assert_int_equal(read(pair.server, sent, sizeof(sent)), 5);
	assert_memory_equal(sent, "hello", 5);
	close_pair(&pair);
}

TEST(exchange_sees_one_byte_too_many) {
	struct pair pair = open_pair();
	char reply[4];
	struct exchange exchange = {.message = "abc", .length = 3, .reply = reply};
	say(&pair, "abcdef");
	assert_int_equal(exchange_run(&exchange, &pair.peer, -1, TIMEOUT), EXCHANGE_COMPLETE);
	assert_int_equal(exchange.received, 4);
	close_pair(&pair);
}

TEST(exchange_ends_with_the_connection_after_what_came) {
	struct pair pair = open_pair();
	char reply[6];
	struct exchange exchange = {.message = "hello", .length = 5, .reply = reply};
	say(&pair, "he");
	close(pair.server);
	pair.server = -1;
	assert_int_equal(exchange_run(&exchange, &pair.peer, -1, TIMEOUT), EXCHANGE_BROKEN);
	assert_int_equal(exchange.received, 2);
	close_pair(&pair);
}

TEST(silence_times_out) {
	struct pair pair = open_pair();
	char reply[6];
	struct exchange exchange = {.message = "hello", .length = 5, .reply = reply};
	uint64_t start = clock_now();
	say(&pair, "he");
	assert_int_equal(exchange_run(&exchange, &pair.peer, -1, SHORT), EXCHANGE_TIMED_OUT);
	assert_true(clock_now() - start >= SHORT);
	assert_int_equal(exchange.received, 2);
	close_pair(&pair);
}

TEST(interrupt_ends_the_wait) {
	struct pair pair = open_pair();
	char reply[6];
	int interrupt[2];
	struct exchange exchange = {.message = "hello", .length = 5, .reply = reply};
	assert_int_equal(pipe(interrupt), 0);
	assert_int_equal(write(interrupt[1], "", 1), 1);
	assert_int_equal(exchange_run(&exchange, &pair.peer, interrupt[0], TIMEOUT),
			 EXCHANGE_INTERRUPTED);
	close(interrupt[0]);
	close(interrupt[1]);
	close_pair(&pair);
}
