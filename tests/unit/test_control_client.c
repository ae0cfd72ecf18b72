// A client of the control socket, against good and bad servers of the test: control/client.
#include "expect.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "control/client.h"
#include "place.h"

#define PATIENCE_NS (20 * NS_PER_S)
#define SHORT (100 * NS_PER_MS)

// A server with one client, played by a thread.
struct play {
	const char *reply;
	size_t length;	    // 0: strlen
	size_t piece;	    // bytes sent at once, 0: all
	bool deaf;	    // it sends before it has read the request, and closes
	bool holds_on;	    // it keeps the connection until the client goes
	char request[1100]; // that it read
};

#define PLAY(...) (&(struct play){.reply = __VA_ARGS__})

static const char *path;
static struct sockaddr_un address;
static int listener;
static struct play *play;

// Of client_ask.
static struct client_reply reply;
static struct echod_error error;

BEFORE_EACH {
	path = place_path("c");
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	assert_true(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		    listen(listener, 0) == 0);
}

AFTER_EACH { close(listener); }

static void read_request(int fd) {
	char *at = play->request, *last = at + sizeof(play->request) - 1;
	while (at < last && recv(fd, at, 1, 0) == 1 && *at != '\n')
		at++;
	*at = '\0';
}

static void *run_server(void *argument) {
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (!play->deaf)
		read_request(fd);
	size_t length = play->length ? play->length : strlen(play->reply);
	size_t piece = play->piece ? play->piece : length;
	for (size_t at = 0; at < length; at += piece)
		send(fd, play->reply + at, at + piece < length ? piece : length - at, MSG_NOSIGNAL);
	char byte;
	while (play->holds_on && recv(fd, &byte, 1, 0) > 0)
		;
	close(fd);
	return NULL;
}

// Asks the played server.
static int ask(struct play *server, const char *request, uint64_t timeout) {
	play = server;
	reply.body = play->request; // it is replaced, whatever the result
	pthread_t thread = thread_begin(run_server, NULL);
	int result = client_ask(path, request, timeout, &reply, &error);
	thread_end(thread);
	return result;
}

static void expect_reply(struct play *server, const char *request, int status, const char *body,
			 size_t length) {
	if (ask(server, request, PATIENCE_NS) != 0)
		fail_msg("%s", error.message);
	assert_int_equal(reply.status, status);
	assert_int_equal(reply.length, length);
	assert_memory_equal(reply.body, body, length + 1); // with its NUL
	client_reply_free(&reply);
	assert_null(reply.body);
	if (!server->deaf)
		assert_string_equal(server->request, request);
}

TEST(a_reply_is_taken_whole) {
	for (size_t piece = 0; piece < 6; piece++) {
		expect_reply(PLAY("200 10\npong\0more\n", 17, piece, .holds_on = true), "ping  me",
			     200, "pong\0more\n", 10);
		expect_reply(
			PLAY("200 *\n3\nab\n1\n010\n345678901\n0\n", 0, piece, .holds_on = true),
			"connections", 200, "ab\n0345678901\n", 14);
	}
	expect_reply(PLAY("200 0\n"), "x", 200, "", 0);
	expect_reply(PLAY("200 *\n0\n"), "x", 200, "", 0);
	expect_reply(PLAY("400 4\nno!\n"), "x", 400, "no!\n", 4);
	assert_int_equal(ask(PLAY("400 4\nno!\n"), "x", CLOCK_NEVER), 0);
	client_reply_free(&reply);
}

TEST(a_long_reply_is_taken_whole) {
	static char text[12 + 900000];
	int head = snprintf(text, sizeof(text), "200 900000\n");
	memset(text + head, 'x', 900000);
	expect_reply(PLAY(text), "stats", 200, text + head, 900000);
}

// The server's reply arrives although it never read the request.
TEST(a_client_that_is_turned_away_hears_why) {
	for (int i = 0; i < 50; i++)
		expect_reply(PLAY("429 5\nfull\n", .deaf = true), "ping", 429, "full\n", 5);
}

static void expect_failure(int result, const char *text) {
	assert_contains(error.message, path);
	assert_null(strstr(error.message, "reply: ")); // no reason follows
	assert_error(result, &error, ECHOD_ERROR_SYSTEM, text);
	assert_null(reply.body);
}

static void expect_usage_error(const char *socket, const char *request, const char *text) {
	assert_error(client_ask(socket, request, PATIENCE_NS, &reply, &error), &error,
		     ECHOD_ERROR_USAGE, text);
}

TEST(what_is_no_reply_is_refused) {
	static const char *const examples[][2] = {
		{"HTTP/1.1 400 Bad Request\r\n\r\n",
		 "is not echod: its reply begins with 'HTTP/1.1 4"},
		{"\n", "is not echod: its reply begins with ''"},
		{"200\n", "begins with '200'"},
		{"200 \n", "begins with '200 '"},
		{"200 5x\n", "begins with '200 5x'"},
		{"200 -5\n", "begins with '200 -5'"},
		{"20 55\n", "begins with '20 55'"},
		{"99 5\nabcde", "begins with '99 5'"},
		{"099 5\nabcde", "begins with '099 5'"},
		{"200x5\nabcde", "begins with '200x5'"},
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
		{"200 33554432\nabcd", "closed the connection before the end of its reply"},
		{"200 *\n33554432\nabcd", "closed the connection before the end of its reply"},
		{"200 5\nabcd", "closed the connection before the end of its reply"},
	};
	for (size_t i = 0; i < COUNT_OF(examples); i++)
		expect_failure(ask(PLAY(examples[i][0]), "ping", PATIENCE_NS), examples[i][1]);
}

static void expect_timeout(int result, uint64_t begun) {
	expect_failure(result, "does not answer within 100.0 ms");
	assert_true(clock_now() - begun >= SHORT);
}

TEST(a_silent_server_is_given_up) {
	const char *const *text = STRINGS("", "200 5", "200 5\nabcd", "200 *\n1\nx");
	for (; *text; text++) {
		uint64_t begun = clock_now();
		expect_timeout(ask(PLAY(*text, .holds_on = true), "ping", SHORT), begun);
	}
}

// Nobody accepts and the backlog is full: connecting itself has to be bounded.
TEST(a_full_backlog_is_given_up) {
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, (struct sockaddr *)&address, sizeof(address)), 0);
	uint64_t begun = clock_now();
	expect_timeout(client_ask(path, "ping", SHORT, &reply, &error), begun);
	close(first);
}

TEST(a_missing_server_is_named) {
	close(listener); // the file stays
	int result = client_ask(path, "ping", PATIENCE_NS, &reply, &error);
	assert_contains(error.message, "Connection refused (is echod running? --control");
	expect_failure(result, "no server answers at ");
	unlink(path);
	expect_failure(client_ask(path, "ping", PATIENCE_NS, &reply, &error),
		       "No such file or directory (is echod running?");
	path = place_file("file", "x", 1);
	expect_failure(client_ask(path, "ping", PATIENCE_NS, &reply, &error), path);
	listener = -1;
}

TEST(an_invalid_request_is_a_usage_error) {
	char text[1025] = "";
	memset(text, 'x', sizeof(text) - 1);
	expect_usage_error("", "ping", "'' names no socket: ");
	expect_usage_error(text + 1024 - 108, "ping", "");
	expect_usage_error(path, text, "the request is longer than 1023 bytes");
	text[1023] = '\0'; // with its newline just as long as allowed
	expect_reply(PLAY("200 3\nok\n"), text, 200, "ok\n", 3);
}
