// A client of the control socket against servers good and bad, which the test plays:
// control/client.
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "control/client.h"
#include "place.h"

#define PATIENCE_NS (20 * NS_PER_S)
#define SHORT (100 * NS_PER_MS)

// What the played server does with its one client.
struct play {
	const char *reply;
	size_t length;	    // 0: strlen
	size_t piece;	    // bytes sent at once, 0: all
	bool deaf;	    // it sends before it has read the request, and closes
	bool holds_on;	    // it keeps the connection until the client goes
	char request[1100]; // what it read
};

static const char *path;
static int listener;
static struct play *play;
static pthread_t thread;

static void prepare(void) {
	path = place_path("c");
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	assert_true(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		    listen(listener, 0) == 0);
}

static void clean_up(void) {
	close(listener);
}

FIXTURE(prepare, clean_up);

static void read_request(int fd) {
	size_t length = 0;
	while (length < sizeof(play->request) - 1 && recv(fd, play->request + length, 1, 0) == 1 &&
	       play->request[length] != '\n')
		length++;
	play->request[length] = '\0';
}

static void *run_server(void *argument) {
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (!play->deaf)
		read_request(fd);
	size_t left = play->length ? play->length : strlen(play->reply);
	for (const char *at = play->reply; left > 0;) {
		size_t piece = play->piece && play->piece < left ? play->piece : left;
		ssize_t sent = send(fd, at, piece, MSG_NOSIGNAL);
		if (sent <= 0)
			break;
		at += sent;
		left -= (size_t)sent;
	}
	char byte;
	if (play->holds_on)
		while (recv(fd, &byte, 1, 0) > 0)
			;
	close(fd);
	return NULL;
}

// Asks the played server; the reply is the caller's.
static int ask(struct play *what, const char *request, uint64_t timeout, struct client_reply *reply,
	       struct echod_error *error) {
	play = what;
	assert_int_equal(pthread_create(&thread, NULL, run_server, NULL), 0);
	int result = client_ask(path, request, timeout, reply, error);
	pthread_join(thread, NULL);
	return result;
}

TEST(a_reply_is_taken_whole) {
	for (size_t piece = 0; piece < 6; piece++) {
		struct play what = {.reply = "200 10\npong\0more\n",
				    .length = 17,
				    .piece = piece,
				    .holds_on = true};
		struct client_reply reply;
		assert_int_equal(ask(&what, "ping  me", PATIENCE_NS, &reply, NULL), 0);
		assert_string_equal(what.request, "ping  me");
		assert_int_equal(reply.status, 200);
		assert_int_equal(reply.length, 10);
		assert_memory_equal(reply.body, "pong\0more\n", 10);
		assert_int_equal(reply.body[reply.length], '\0');
		client_reply_free(&reply);
		assert_null(reply.body);
	}
}

TEST(a_reply_may_be_empty_or_an_error) {
	struct client_reply reply;
	struct play what = {.reply = "200 0\n"};
	assert_int_equal(ask(&what, "x", PATIENCE_NS, &reply, NULL), 0);
	assert_int_equal(reply.length, 0);
	assert_string_equal(reply.body, "");
	client_reply_free(&reply);
	what = (struct play){.reply = "400 4\nno!\n"};
	assert_int_equal(ask(&what, "x", CLOCK_NEVER, &reply, NULL), 0);
	assert_int_equal(reply.status, 400);
	assert_string_equal(reply.body, "no!\n");
	client_reply_free(&reply);
}

TEST(a_long_reply_is_taken_whole) {
	static char text[7 + 1000000];
	int head = snprintf(text, sizeof(text), "200 %d\n", 900000);
	memset(text + head, 'x', 900000);
	struct play what = {.reply = text, .length = (size_t)head + 900000};
	struct client_reply reply;
	assert_int_equal(ask(&what, "stats", PATIENCE_NS, &reply, NULL), 0);
	assert_int_equal(reply.length, 900000);
	assert_int_equal(strspn(reply.body, "x"), 900000);
	client_reply_free(&reply);
}

TEST(a_reply_in_pieces_is_taken_whole) {
	for (size_t piece = 0; piece < 6; piece++) {
		struct play what = {.reply = "200 *\n3\nab\n1\n010\n345678901\n0\n",
				    .piece = piece,
				    .holds_on = true};
		struct client_reply reply;
		assert_int_equal(ask(&what, "connections", PATIENCE_NS, &reply, NULL), 0);
		assert_int_equal(reply.status, 200);
		assert_int_equal(reply.length, 14);
		assert_string_equal(reply.body, "ab\n0345678901\n");
		client_reply_free(&reply);
	}
	struct play empty = {.reply = "200 *\n0\n"};
	struct client_reply reply;
	assert_int_equal(ask(&empty, "x", PATIENCE_NS, &reply, NULL), 0);
	assert_string_equal(reply.body, "");
	client_reply_free(&reply);
}

// The server's word arrives although it never read the request.
TEST(who_is_turned_away_hears_why) {
	for (int i = 0; i < 50; i++) {
		struct play what = {.reply = "503 5\nfull\n", .deaf = true};
		struct client_reply reply;
		struct echod_error error;
		if (ask(&what, "ping", PATIENCE_NS, &reply, &error) != 0)
			fail_msg("%s", error.message);
		assert_int_equal(reply.status, 503);
		client_reply_free(&reply);
	}
}

static void expect_failure(int result, const struct echod_error *error, const char *text) {
	assert_int_equal(result, -1);
	assert_int_equal(error->kind, ECHOD_ERROR_SYSTEM);
	assert_contains(error->message, text);
	assert_contains(error->message, path);
}

TEST(what_is_no_reply_is_refused) {
	static const struct {
		const char *reply;
		const char *message;
	} examples[] = {
		{"HTTP/1.1 400 Bad Request\r\n\r\n",
		 "is not echod: its reply begins with 'HTTP/1.1 4"},
		{"\n", "is not echod: its reply begins with ''"},
		{"200\n", "begins with '200'"},
		{"200 \n", "begins with '200 '"},
		{"200 5x\n", "begins with '200 5x'"},
		{"200 -5\n", "begins with '200 -5'"},
		{"20 55\n", "begins with '20 55'"},
		{"99 5\nabcde", "begins with '99 5'"},
		{"\x1b[31m 1\n", "begins with '\\x1B[31m 1'"},
		{"200 33554433\n", "begins with '200 33554433'"}, // a byte too many
		{"200 99999999999999999999999\n", "begins with '200 99999999999999999999999'"},
		{"200 5000000000000000000000000000000000\n", "begins with '200 5000000"},
		{"200 *5\nabcde", "begins with '200 *5'"},
		{"* 5\nabcde", "begins with '* 5'"},
		{"200 *\n5", "closed the connection before the end of its reply"},
		{"200 *\n5\nabcde", "closed the connection before the end of its reply"},
		{"200 *\n5\nabcde\n0\n", "goes on with ''"},
		{"200 *\n-1\n", "goes on with '-1'"},
		{"200 *\n33554433\n", "goes on with '33554433'"},
		{"", "closed the connection before the end of its reply"},
		{"200 5", "closed the connection before the end of its reply"},
		{"200 5\nabcd", "closed the connection before the end of its reply"},
	};
	for (size_t i = 0; i < COUNT_OF(examples); i++) {
		struct play what = {.reply = examples[i].reply};
		struct client_reply reply;
		struct echod_error error = {0};
		expect_failure(ask(&what, "ping", PATIENCE_NS, &reply, &error), &error,
			       examples[i].message);
		assert_null(reply.body);
	}
}

TEST(a_silent_server_is_waited_for_so_long) {
	static const char *const replies[] = {"", "200 5", "200 5\nabcd", "200 *\n1\nx"};
	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		struct play what = {.reply = replies[i], .holds_on = true};
		struct client_reply reply;
		struct echod_error error = {0};
		uint64_t before = clock_now();
		expect_failure(ask(&what, "ping", SHORT, &reply, &error), &error,
			       "does not answer within 100.0 ms");
		assert_true(clock_now() - before >= SHORT);
		assert_null(reply.body);
	}
}

// Nobody accepts and the backlog is full: connecting itself has to be bounded.
TEST(a_full_backlog_is_waited_for_so_long) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, (struct sockaddr *)&address, sizeof(address)), 0);
	struct client_reply reply;
	struct echod_error error = {0};
	uint64_t before = clock_now();
	expect_failure(client_ask(path, "ping", SHORT, &reply, &error), &error,
		       "does not answer within 100.0 ms");
	assert_true(clock_now() - before >= SHORT);
	close(first);
}

TEST(nobody_there_is_said_plainly) {
	struct client_reply reply;
	struct echod_error error = {0};
	close(listener); // the file stays
	expect_failure(client_ask(path, "ping", PATIENCE_NS, &reply, &error), &error,
		       "no server answers at ");
	assert_contains(error.message, "Connection refused (is echod running? --control");
	unlink(path);
	expect_failure(client_ask(path, "ping", PATIENCE_NS, &reply, &error), &error,
		       "No such file or directory (is echod running?");
	path = place_file("file", "x", 1);
	expect_failure(client_ask(path, "ping", PATIENCE_NS, &reply, &error), &error, path);
	listener = -1;
}

TEST(what_cannot_be_asked_is_a_matter_of_usage) {
	struct client_reply reply;
	struct echod_error error = {0};
	char text[1100];
	assert_int_equal(client_ask("", "ping", PATIENCE_NS, &reply, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
	assert_contains(error.message, "'' names no socket: ");
	memset(text, 'p', 108);
	text[108] = '\0';
	assert_int_equal(client_ask(text, "ping", PATIENCE_NS, &reply, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
	memset(text, 'x', 1024);
	text[1024] = '\0';
	assert_int_equal(client_ask(path, text, PATIENCE_NS, &reply, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
	assert_string_equal(error.message, "the request is longer than 1023 bytes");
	text[1023] = '\0'; // with its newline just as long as allowed
	struct play what = {.reply = "200 3\nok\n"};
	assert_int_equal(ask(&what, text, PATIENCE_NS, &reply, &error), 0);
	assert_string_equal(what.request, text);
	client_reply_free(&reply);
}
