// The server under test: started on free ports and a control socket of its own, its addresses read
// from its standard output, stopped and judged, at the latest killed when the test ends. One
// thread.
#ifndef ECHOD_TESTS_DAEMON_H
#define ECHOD_TESTS_DAEMON_H

#include "place.h"
#include "process.h"
#include "test.h"

#define DAEMON_ADDRESSES 8
#define DAEMON_OPTIONS 64

struct daemon {
	struct process *process;
	char control[108];		     // path of its control socket
	char address[DAEMON_ADDRESSES][128]; // as it printed them, without a (PROXY)
	size_t address_count;
	char http[128];	     // where it answers over HTTP; empty without --http
	size_t listen_count; // how many it was asked for
	bool asked_http;
	uint16_t port;	// of the first address; 0 for a Unix-domain socket
	int control_fd; // a connection kept open for stats_*; -1: none
	bool ended;	// as daemon_expect_end has seen
};

// What is started: another build of echod, if a test says so.
extern const char *daemon_program;

// Starts echod with these options, NULL last, and waits until it is ready. Unless given, `--listen
// 127.0.0.1:0` and `--control` in the test's directory are added.
#define daemon_start(...) daemon_start_as(SPEC(__VA_ARGS__))

// The same for a spec whose `arguments` are the options alone; and in two steps.
struct daemon *daemon_start_as(const struct process_spec *spec);
struct daemon *daemon_spawn(const struct process_spec *spec);
void daemon_wait_ready(struct daemon *daemon);

// Starts echod, which must refuse: it exits with `status`, has written one line to standard error
// that holds each of `texts` (NULL last), and nothing to standard output. Returns the line.
const char *daemon_refuses(const struct process_spec *spec, int status, const char *const *texts);

// Asks with SIGTERM, and expects the laws of the counters to hold and a good end.
void daemon_stop(struct daemon *daemon);

// Waits for the end: status 0, its sockets gone.
void daemon_expect_end(struct daemon *daemon);

// DAEMON_TEST(name, ("--workers", "1"), …) { … }: a TEST of `daemon`, which is started with
// these options, (NULL) for none, and stopped at the end, unless it has ended.
#define DAEMON_TEST(...) DAEMON_TEST_(__VA_ARGS__, )
#define DAEMON_TEST_(title, options, ...)                         \
	static void title##_of(struct daemon *daemon);            \
	TEST_(title, __VA_ARGS__) {                               \
		struct daemon *under_test = daemon_start options; \
		title##_of(under_test);                           \
		if (!under_test->ended)                           \
			daemon_stop(under_test);                  \
	}                                                         \
	static void title##_of(struct daemon *daemon)

// For `.with` of a test: once for each way in which the pool can deal with a quiet client. The
// options of a value that begins with a dash are given to every server that is started without
// them.
#define EACH_PATIENCE "--patience never", "--patience 5ms", "--patience 0"

#define LISTEN_TCP_AND_UNIX "--listen", "127.0.0.1:0", "--listen", place_address("echo")

// Words of a command line that a table can only name, as their values are known when the test runs.
#define WORD_ADDRESS "@address" // the first of the server's
#define WORD_CONTROL "@control" // the server's control socket
#define WORD_RESULT "@result"	// the file of an earlier run
#define WORD_OUTPUT "@output"	// a file to be written

// The value of `word` if it is one of these, else `word`.
const char *words_put_in(const char *word, const struct daemon *daemon, const char *result,
			 const char *output);

#endif
