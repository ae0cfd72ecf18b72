// The server under test: started on free ports and a control socket of its own, its addresses read
// from its standard output, stopped and judged. One thread.
#ifndef ECHOD_TESTS_DAEMON_H
#define ECHOD_TESTS_DAEMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "check.h"
#include "process.h"

#define DAEMON_ADDRESSES 8
#define DAEMON_OPTIONS 64

struct daemon {
	struct process *process;
	char control[108];		     // path of its control socket
	char address[DAEMON_ADDRESSES][128]; // as it printed them
	size_t address_count;
	size_t listen_count; // how many it was asked for
	uint16_t port;	     // of the first address; 0 for a Unix-domain socket
	int control_fd;	     // a connection kept open for stats_*; -1: none
};

// Starts echod with these options, NULL last, and waits until it is ready. Unless given, `--listen
// 127.0.0.1:0` and `--control` in the test's directory are added.
#define daemon_start(...) daemon_start_with((const char *const[]){__VA_ARGS__})
struct daemon *daemon_start_with(const char *const *options);

// The same with more to say about the process; `spec->arguments` are the options alone. Does not
// wait.
struct daemon *daemon_spawn(const struct process_spec *spec);
void daemon_wait_ready(struct daemon *daemon);

// Starts echod, which must refuse to: it exits with `status`, has written one line to standard
// error that holds each of `texts` (NULL last), and nothing to standard output. Returns the line.
const char *daemon_refuses(const struct process_spec *spec, int status, const char *const *texts);

// Asks with SIGTERM and expects a good end.
void daemon_stop(struct daemon *daemon);

// Waits for the end: status 0, the control socket gone, no line of a sanitizer.
void daemon_expect_end(struct daemon *daemon);

// Kills what still runs, removes the test's directory: every test's teardown.
int daemon_teardown(void **state);

#define daemon_test(function) cmocka_unit_test_teardown(function, daemon_teardown)

// The same with `option` and `value` for every server that is started without that option.
int daemon_setup(void **state);
#define daemon_test_with(function, option, value)                                        \
	{                                                                                \
#function " " option " " value, function, daemon_setup, daemon_teardown, \
			(const char *[])                                                 \
		{                                                                        \
			option, value                                                    \
		}                                                                        \
	}

// The test once for each way in which the pool can deal with a quiet client.
#define daemon_test_each(function)                               \
	daemon_test_with(function, "--patience", "never"),       \
		daemon_test_with(function, "--patience", "5ms"), \
		daemon_test_with(function, "--patience", "0")

// For a program whose tests take long: with an argument it runs those whose names begin with it, of
// which there must be one.
void daemon_choose(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

#endif
