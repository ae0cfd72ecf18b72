// Scenario: the control protocol as docs/control-protocol.md defines it, spoken by hand.
#include <sys/stat.h>

#include "ctl.h"
#include "peer.h"
#include "stats.h"

static const char *const commands[] = {"help",	      "ping",
				       "version",     "stats",
				       "stats json",  "stats prometheus",
				       "connections", "connections json",
				       "workers",     "workers json",
				       "log info"};
#define COMMANDS (COUNT_OF(commands))

// Asks on a connection of its own and wants 200. Returns the body.
static const char *ask(struct daemon *daemon, const char *line) {
	char *body;
	assert_int_equal(ctl_request(daemon->control, line, &body), 200);
	return test_keep(body);
}

DAEMON_TEST(every_command, (NULL)) {
	for (size_t i = 0; i < COMMANDS; i++)
		ask(daemon, commands[i]);
	assert_string_equal(ask(daemon, "ping"), "pong\n");
	assert_string_equal(ask(daemon, "version"), "echod " ECHOD_VERSION "\n");
	static const char *const names[] = {"help",    "ping", "version", "stats", "connections",
					    "workers", "log",  "drain",	  "stop"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_contains(ask(daemon, "help"), names[i]);
		assert_contains(ask(daemon, test_text("help %s", names[i])), names[i]);
	}
	assert_contains(ask(daemon, "stats"), "connections_accepted");
	assert_contains(ask(daemon, "stats prometheus"), "connections_accepted");
	assert_contains(ask(daemon, "stats prometheus"), "# TYPE ");
	assert_true(stats_counter(daemon, "control_requests") >= COMMANDS);
	assert_int_equal(stats_counter(daemon, "control_errors"), 0);
}

DAEMON_TEST(pipelining, (NULL)) {
	int fd = ctl_connect(daemon->control);
	for (int i = 0; i < 100; i++) {
		ctl_send(fd, "ping\nno-such\n");
		for (size_t j = 0; j < COMMANDS; j++) {
			ctl_send(fd, commands[j]);
			ctl_send(fd, j + 1 < COMMANDS ? "\n" : "\r\n");
		}
		assert_int_equal(ctl_receive(fd, NULL), 200);
		assert_int_equal(ctl_receive(fd, NULL), 400);
		for (size_t j = 0; j < COMMANDS; j++)
			assert_int_equal(ctl_receive(fd, NULL), 200);
	}
	peer_expect_quiet(fd);
	peer_close(fd);
}

DAEMON_TEST(half_close, (NULL)) {
	int fd = ctl_connect(daemon->control);
	ctl_send(fd, "stats\nstats json\nping");
	peer_half_close(fd);
	assert_int_equal(ctl_receive(fd, NULL), 200);
	assert_int_equal(ctl_receive(fd, NULL), 200);
	char *body;
	assert_int_equal(ctl_receive(fd, &body), 200);
	assert_string_equal(body, "pong\n");
	free(body);
	peer_expect_eof(fd);
}

DAEMON_TEST(log_level, ("--log-level", "error")) {
	assert_string_equal(process_errors(daemon->process, NULL), "");
	ask(daemon, "log debug");
	peer_close(peer_connect(daemon->address[0]));
	process_expect_error_text(daemon->process, "127.0.0.1:");
	process_expect_error_text(daemon->process, "connection 1 closed");
	ask(daemon, "log error");
	stats_wait(daemon, "connections_open", 0);
	size_t before, after;
	process_errors(daemon->process, &before);
	peer_close(peer_connect(daemon->address[0]));
	stats_wait(daemon, "connections_closed_probe", 2);
	process_errors(daemon->process, &after);
	assert_int_equal(before, after);
}

TEST(mode) {
	mode_t before = umask(0);
	struct daemon *daemon = daemon_start(NULL);
	umask(before);
	struct stat status;
	assert_int_equal(lstat(daemon->control, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0600);
	daemon_stop(daemon);
}
