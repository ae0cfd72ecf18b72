// Scenario: the log cannot be written: a closed pipe, a full one, a file at its limit, no
// descriptor. The server echoes on (finding F8). And the log is always plain text, a line at a
// time.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "ctl.h"
#include "peer.h"
#include "stats.h"

static void use(struct daemon *daemon, int connections) {
	for (int i = 0; i < connections; i++)
		(i % 2 ? peer_reset : peer_close)(peer_connect_served(daemon->address[0]));
	stats_wait(daemon, "connections_open", 0);
}

// Logs all to `log`, which it closes.
static struct daemon *start_logging_to(int log) {
	assert_true(log >= 0);
	struct daemon *daemon = daemon_start_as(
		PROCESS(.arguments = STRINGS("--log-level", "debug", "--workers", "2"),
			.err = log));
	close(log);
	return daemon;
}

TEST(closed_pipe) {
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	struct daemon *daemon = start_logging_to(ends[1]);
	use(daemon, 50);
	stats_wait_at_least(daemon, "log_lines_dropped", 1);
	daemon_stop(daemon);
}

// Logs more to `write_end` than it can hold, then reads.
static void log_into_full(int read_end, int write_end) {
	struct daemon *daemon = start_logging_to(write_end);
	use(daemon, 500);
	assert_true(stats_counter(daemon, "log_lines_dropped") > 0);
	// The lines that got through are whole.
	char text[65536];
	ssize_t size = read(read_end, text, sizeof(text) - 1);
	assert_true(size > 0);
	text[size] = '\0';
	process_count_lines(text);
	// There is room again, and it is used.
	use(daemon, 1);
	wait_until(peer_is_readable(read_end));
	daemon_stop(daemon);
	close(read_end);
}

TEST(full_pipe) {
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
	log_into_full(ends[0], ends[1]);
}

// As from a service manager: a socket cannot be opened again to be made non-blocking.
TEST(full_socket) {
	int ends[2], small = 4096;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	log_into_full(ends[0], ends[1]);
}

TEST(file_at_its_limit) {
	struct daemon *daemon = daemon_start_as(
		PROCESS(.arguments = STRINGS("--log-level", "debug"), .fsize = {4096, 4096}));
	use(daemon, 200);
	stats_wait_at_least(daemon, "log_lines_dropped", 1);
	use(daemon, 10);
	daemon_stop(daemon);
}

// Neither of the log nor of the addresses on standard output.
TEST(no_byte_may_be_written) {
	static const char full[1 << 20];
	int log = memfd_create("full", MFD_CLOEXEC);
	assert_true(log >= 0);
	assert_int_equal(write(log, full, sizeof(full)), sizeof(full));
	const char *path = place_address("echo");
	struct daemon *daemon =
		daemon_spawn(PROCESS(.arguments = STRINGS("--listen", path), .out = log, .err = log,
				     .fsize = {sizeof(full), sizeof(full)}));
	wait_until(ctl_is_live(daemon->control) && ctl_is_live(path + 5));
	strcpy(daemon->address[0], path);
	use(daemon, 10);
	daemon_stop(daemon);
	assert_int_equal(lseek(log, 0, SEEK_END), sizeof(full));
	close(log);
}

TEST(full_disk) {
	struct daemon *daemon = start_logging_to(open("/dev/full", O_WRONLY | O_CLOEXEC));
	use(daemon, 50);
	daemon_stop(daemon);
}

// A socket with the number of a standard stream would receive the log.
TEST(started_without_standard_streams) {
	const char *path = place_address("echo");
	struct daemon *daemon = daemon_spawn(
		PROCESS(.arguments = STRINGS("--log-level", "debug", "--listen", path),
			.in = PROCESS_CLOSED, .out = PROCESS_CLOSED, .err = PROCESS_CLOSED));
	wait_until(ctl_is_live(path + 5) && ctl_is_live(daemon->control) &&
		   ctl_request(daemon->control, "ping", NULL) == 200);
	strcpy(daemon->address[0], path);
	struct stream streams[20];
	for (uint64_t i = 0; i < COUNT_OF(streams); i++)
		streams[i] = stream_open(path, i, 10000);
	stream_finish(streams, COUNT_OF(streams));
	for (int fd = 0; fd < 3; fd++) {
		char target[64] = "";
		const char *link = test_text("/proc/%d/fd/%d", process_pid(daemon->process), fd);
		assert_true(readlink(link, target, sizeof(target) - 1) > 0);
		assert_string_equal(target, "/dev/null");
	}
	daemon_stop(daemon);
}

static void cause_log_lines(struct daemon *daemon) {
	use(daemon, 10);
	ctl_request(daemon->control, "\x1b[31m \xff", NULL);
	daemon_stop(daemon);
}

DAEMON_TEST(text_lines, ("--log-level", "debug")) {
	cause_log_lines(daemon);
	size_t size;
	const char *log = process_errors(daemon->process, &size);
	assert_true(process_count_lines(log) > 20);
	for (size_t i = 0; i < size; i++)
		assert_true(log[i] == '\n' || (log[i] >= ' ' && log[i] <= '~'));
}

// Each line is one JSON object with the fields that all have. Calls `check` (may be NULL) with
// each.
static void expect_json_lines(const char *line, void (*check)(const json_t *entry)) {
	static const char *const strings[] = {"time", "level", "event", "message"};
	process_count_lines(line);
	for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
		json_t *json = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
		if (!json)
			fail_msg("not JSON: %.*s", (int)(end - line), line);
		for (size_t i = 0; i < COUNT_OF(strings); i++)
			assert_true(json_is_string(json_object_get(json, strings[i])));
		if (check)
			check(json);
		json_decref(json);
	}
}

static const struct {
	const char *event, *strings[3], *numbers[3];
} events[] = {
	{"started", {"version", "control"}, {"workers", "max_connections"}},
	{"listening", {"address"}, {NULL}},
	{"accepted", {"peer", "local", "listener"}, {"connection"}},
	{"closed", {"peer", "local", "reason"}, {"connection", "bytes_received", "bytes_sent"}},
	{"drain_delayed", {NULL}, {"delay_ms"}},
	{"draining", {NULL}, {"connections", "time_left_ms"}},
	{"stopped", {NULL}, {"connections_accepted", "connections_aborted"}},
};

static unsigned seen[COUNT_OF(events)];

static void check_fields(const json_t *entry) {
	const char *event = json_string_value(json_object_get(entry, "event"));
	for (size_t i = 0; i < COUNT_OF(events); i++) {
		if (strcmp(event, events[i].event) != 0)
			continue;
		seen[i]++;
		for (int field = 0; field < 3; field++) {
			const char *string = events[i].strings[field];
			const char *number = events[i].numbers[field];
			assert_true(!string || json_is_string(json_object_get(entry, string)));
			assert_true(!number || json_is_integer(json_object_get(entry, number)));
		}
		return;
	}
	fail_msg("an event that is not in the list: %s", event);
}

DAEMON_TEST(json_lines, ("--log-level", "debug", "--log-format", "json", "--drain-delay", "10ms")) {
	cause_log_lines(daemon);
	expect_json_lines(process_errors(daemon->process, NULL), check_fields);
	for (size_t i = 0; i < COUNT_OF(events); i++)
		assert_int_equal(seen[i], i == 2 || i == 3 ? 10 : 1);
}

// Errors before it is a server are JSON, too, wherever the format stands.
TEST(json_errors) {
	static const struct {
		const char *arguments[6];
		int status;
		bool full; // standard output is a full disk
	} cases[] = {
		{{"--listen", "nonsense", "--log-format", "json"}, 2, false},
		{{"--workers=0", "--log-format=json"}, 2, false},
		{{"--log-f", "json", "--no-such-option"}, 2, false},
		{{"--log-format", "json", "--listen"}, 2, false},
		{{"--log-format", "json", "operand \x01\xff\"\\"}, 2, false},
		{{"--log-format", "json", "--listen", "unix:/nowhere/\xe9\""}, 3, false},
		{{"--log-format", "json", "--control", "/nowhere/c"}, 3, false},
		{{"--log-format", "json", "--help"}, 3, true},
		{{"--log-format", "json", "--version"}, 3, true},
	};
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *arguments[8] = {ECHOD_PROGRAM};
		memcpy(arguments + 1, cases[i].arguments, sizeof(cases[i].arguments));
		struct process *process =
			process_run_to(cases[i].status, PROCESS(.arguments = arguments,
								.out = cases[i].full ? full : 0));
		assert_int_equal(process_count_lines(process_errors(process, NULL)), 1);
		expect_json_lines(process_errors(process, NULL), NULL);
	}
	close(full);
}

// Start, drain and stop; connections only at debug level.
DAEMON_TEST(what_is_said_at_info, (NULL)) {
	use(daemon, 20);
	assert_null(strstr(process_errors(daemon->process, NULL), "127.0.0.1:5"));
	size_t lines = process_count_lines(process_errors(daemon->process, NULL));
	assert_true(lines >= 1 && lines <= 5);
	daemon_stop(daemon);
	process_expect_error_text(daemon->process, "drain");
	assert_true(process_count_lines(process_errors(daemon->process, NULL)) > lines);
}
