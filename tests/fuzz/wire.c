// What others send: PROXY headers, control requests and replies, HTTP, the answer to CONNECT.
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/client.h"
#include "control/session.h"
#include "echopath/path.h"
#include "fuzz.h"
#include "http/http.h"
#include "proxy/send.h"

// A header in pieces is judged as the whole, and not before nor after its last byte has come.
PARSER(proxy) {
	struct proxy_header whole, part;
	if (size == 0)
		return;
	enum proxy_verdict verdict = proxy_parse(bytes, size, &whole);
	ensure(verdict != PROXY_COMPLETE || (whole.length > 0 && whole.length <= size));
	for (size_t count = 1; count < size; count += 1 + count / 128) {
		char *piece = fuzz_copy(bytes, count);
		enum proxy_verdict before = proxy_parse(piece, count, &part);
		free(piece);
		ensure(before == PROXY_INCOMPLETE || before == verdict);
		if (verdict == PROXY_COMPLETE)
			ensure((before == verdict) == (count >= whole.length));
	}
	char made[PROXY_V1_MAX];
	if (verdict != PROXY_COMPLETE || whole.client.any.sa_family == AF_UNSPEC)
		return;
	for (enum proxy_kind kind = PROXY_V1; kind <= PROXY_V2; kind++) {
		size_t length = proxy_write(kind, &whole.client, &whole.client, made);
		ensure(proxy_parse(made, length, &part) == PROXY_COMPLETE && part.length == length);
		ensure(fuzz_is_same(&part.client, &whole.client, sizeof(part.client)));
	}
}

static struct server *server;

static void begin_session(void) { server = fuzz_server(); }

// Reads the replies, whose framing must be right; leaves their statuses in `statuses`.
static void read_replies(const char *at, const char *end, char *statuses) {
	while (at < end) {
		ensure(strspn(at, "0123456789") == 3 && at[3] == ' ');
		statuses = mempcpy(statuses, at, 4);
		at += 4;
		bool in_pieces = strncmp(at, "*\n", 2) == 0;
		at += in_pieces ? 2 : 0;
		size_t length;
		do {
			char *rest;
			length = strtoul(at, &rest, 10);
			ensure(rest > at && *rest == '\n' && length < (size_t)(end - rest));
			at = rest + 1 + length;
		} while (in_pieces && length > 0);
	}
	*statuses = '\0';
}

// A client that sends `piece` bytes at a time, reads all replies, and ends.
static void converse(const char *bytes, size_t size, size_t piece, char *statuses) {
	static char replies[1 << 22];
	static struct rates rates;
	static struct snapshot snapshot;
	static struct thread_stats stats;
	const struct command_context context = {server, &rates, &snapshot, NULL};
	struct session session;
	int pair[2];
	size_t length = 0;
	ensure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	session_begin(&session, pair[0]);
	for (size_t sent = 0, steps = 0; session.fd >= 0; steps++) {
		size_t left = size - sent < piece ? size - sent : piece;
		ssize_t count = left ? send(pair[1], bytes + sent, left, MSG_NOSIGNAL) : 0;
		sent += count > 0 ? (size_t)count : 0;
		if (sent == size || (count < 0 && errno == EPIPE))
			shutdown(pair[1], SHUT_WR);
		session_step(&session, &context, &stats);
		ensure(steps < 100000 && session.input_length <= PROTOCOL_MAX_LINE);
		while ((count = read(pair[1], replies + length, sizeof(replies) - 1 - length)) > 0)
			length += (size_t)count;
	}
	close(pair[1]);
	replies[length] = '\0';
	read_replies(replies, replies + length, statuses);
}

// Requests in pieces get the same answers as all at once.
PARSER(session, .begin = begin_session) {
	static char at_once[1 << 16], in_pieces[1 << 16];
	if (size == 0 || size > 4000)
		return;
	converse(bytes, size, size, at_once);
	converse(bytes, size, 1 + (unsigned char)bytes[0] % 7, in_pieces);
	ensure(strcmp(at_once, in_pieces) == 0);
}

PARSER(reply) {
	struct client_reply reply;
	struct echod_error error;
	fuzz_peer(bytes ? bytes : "", size);
	if (client_ask("@fuzz", "ping", NS_PER_S, &reply, &error) == 0) {
		ensure(reply.status >= 100 && reply.status <= 999 && reply.length < size);
		ensure(reply.body[reply.length] == '\0');
	}
	client_reply_free(&reply);
}

PARSER(connect) {
	static const struct address target = {.host = "target", .port = 7};
	const struct path path = {.connect = &target, .timeout = NS_PER_S};
	struct end client = {.fd = -1};
	fuzz_peer(bytes ? bytes : "", size);
	const char *why = path_connect(&path, &client);
	ensure(why ? strlen(why) < 120 && !why[strcspn(why, "\r\n")]
		   : size > 12 && memmem(bytes, size, "\r\n\r\n", 4));
	close(client.fd);
}

static struct endpoint http_at;

static void begin_http(void) {
	struct address address;
	struct echod_error error;
	server = fuzz_server();
	ensure(http_parse("0", &address, &error) == 0);
	struct http *http = http_open(&address, -1, -1, &error);
	ensure(http && http_start(http, server, &error) == 0);
	ensure(address_parse(http_name(http), &address, &error) == 0 &&
	       address_resolve(&address, &http_at, 1, &error) == 1);
}

// Sends the bytes, and leaves in `answer` the first that come within so long, -1: in the end.
static size_t ask_http(const char *bytes, size_t size, int ms, char answer[static 1024]) {
	static char rest[1 << 16];
	int fd = socket(http_at.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ensure(connect(fd, &http_at.as.any, http_at.length) == 0);
	send(fd, bytes, size, MSG_NOSIGNAL);
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	ssize_t length = poll(&pollfd, 1, ms) == 1 ? recv(fd, answer, 1023, MSG_WAITALL) : 0;
	while (length > 0 && recv(fd, rest, sizeof(rest), 0) > 0)
		;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(fd);
	answer[length > 0 ? length : 0] = '\0';
	return strlen(answer);
}

// An answer, an end or nothing yet, and afterwards the server answers others.
PARSER(http, .begin = begin_http) {
	static const char healthy[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[1024];
	ensure(ask_http(bytes, size, 1, answer) == 0 || strncmp(answer, "HTTP/1.", 7) == 0);
	ensure(ask_http(healthy, sizeof(healthy) - 1, -1, answer) > 0);
	ensure(strncmp(answer, "HTTP/1.1 200", 12) == 0);
}
