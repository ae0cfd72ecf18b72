// Scenario: the environment in which a program starts: networks without IPv6, no place for the
// default control socket, sockets of a service manager, no /dev/null.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cmdline.h"
#include "ctl.h"
#include "daemon.h"
#include "network.h"
#include "peer.h"

static void enter_network(void) {
	network_enter();
	network_hosts("::1 twin\n127.0.0.1 twin\n::1 six\n");
}

// As `sysctl net.ipv6.conf.all.disable_ipv6=1`.
static void disable_ipv6(void) {
	enter_network();
	int fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		_exit(120);
	close(fd);
}

// As a kernel without IPv6: there are no such sockets.
static void forbid_ipv6(void) {
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = COUNT_OF(filter), .filter = filter};
	enter_network();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(122);
}

static struct process *start(const struct process_spec *spec) {
	struct process *process = process_start(spec);
	if (!process_starts(process))
		fail_msg("%s", process_errors(process, NULL));
	return process;
}

// A network cannot be reached from outside: the server's output must do.
static struct process *start_in(void (*network)(void), const char *address) {
	return start(PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", address, "-c", "none"),
			     .prepare = network));
}

TEST(a_name_without_ipv6) {
	void (*const without[])(void) = {disable_ipv6, forbid_ipv6};
	static const char *const reasons[] = {"Cannot assign requested address",
					      "Address family not supported"};
	static const char *const all[] = {"listening on [::]:7101\n", // which takes IPv4 too
					  "listening on 0.0.0.0:7101\n"};
	for (size_t i = 0; i < 2; i++) {
		struct process *process = start_in(without[i], "twin:7101");
		assert_string_equal(process_output(process, NULL), "listening on 127.0.0.1:7101\n");
		process_expect_error_text(process, "'twin' is also [::1]:7101, which is left out");
		process_expect_error_text(process, reasons[i]);
		process_end(process);
		daemon_refuses(
			PROCESS(.arguments = STRINGS("--listen", "six:7101", "--control", "none"),
				.prepare = without[i]),
			EXIT_UNREACHABLE, STRINGS(reasons[i]));
		process = start_in(without[i], ":7101");
		assert_string_equal(process_output(process, NULL), all[i]);
		process_end(process);
	}
}

TEST(one_port_for_a_name) {
	struct process *process = start_in(enter_network, "twin:0");
	wait_until(process_count_lines(process_output(process, NULL)) == 2);
	unsigned first, second;
	assert_int_equal(sscanf(process_output(process, NULL),
				"listening on [::1]:%u\nlistening on 127.0.0.1:%u\n", &first,
				&second),
			 2);
	assert_int_equal(first, second);
	process_end(process);
}

TEST(addresses_that_overlap) {
	unsigned port = peer_free_port();
	const char *any = test_text("[::]:%u", port), *four = test_text("0.0.0.0:%u", port);
	daemon_refuses(SPEC("-l", any, "--listen", four), EXIT_USAGE,
		       STRINGS(any, four, "covers it"));
	const char *path = place_path("both");
	const char *local = test_text("unix:/.%s", path); // the same, written otherwise
	daemon_refuses(SPEC("--listen", local, "--control", path), EXIT_USAGE,
		       STRINGS("--control", path));
	assert_false(place_exists(path));
}

// echod with these settings in its environment and without --control.
#define SERVER_WITH(...)                                                  \
	PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:0"), \
		.environment = STRINGS(__VA_ARGS__))

static void freeze_run(void) {
	network_enter();
	process_cover("/run", MS_RDONLY);
}

static void expect_error_texts(struct process *process, const char *const *texts) {
	for (; *texts; texts++)
		process_expect_error_text(process, *texts);
}

TEST(no_place_for_the_default_control_socket) {
	static const char none[] =
		"no control socket, so echoctl will not find this server: cannot listen on '";
	static const char way_out[] = "(--control PATH, or $ECHOD_CONTROL, names another socket)";
	const char *missing = test_text("XDG_RUNTIME_DIR=%s", place_path("missing"));
	const char *present = test_text("XDG_RUNTIME_DIR=%s", place_path("runtime"));
	assert_int_equal(mkdir(place_path("runtime"), 0700), 0);

	struct process *process = start(SERVER_WITH(missing));
	expect_error_texts(process, STRINGS(none, place_path("missing/echod.sock"), way_out,
					    "control socket none"));
	process_end(process);

	struct process_spec frozen = *SERVER_WITH("XDG_RUNTIME_DIR=/run");
	frozen.prepare = freeze_run;
	process = start(&frozen);
	expect_error_texts(process, STRINGS("Read-only file system", way_out));
	process_end(process);
	// A second server of the user: the first keeps the socket.
	process = start(SERVER_WITH(present));
	struct process *second = start(SERVER_WITH(present));
	expect_error_texts(second, STRINGS("a live server is listening there", way_out));
	process_end(second);
	assert_int_equal(ctl_request(place_path("runtime/echod.sock"), "ping", NULL), 200);
	process_end(process);
	assert_false(place_exists(place_path("runtime/echod.sock")));
}

// echoctl with this setting in its environment.
#define CLIENT_WITH(setting) \
	PROCESS(.arguments = STRINGS(ECHOCTL_PROGRAM, "ping"), .environment = STRINGS(setting))

TEST(a_control_socket_from_the_environment) {
	const char *path = place_path("from-environment"), *directory = place_path("");
	const char *setting = test_text("ECHOD_CONTROL=%s", path);
	struct process *server = start(SERVER_WITH(setting));
	assert_int_equal(ctl_request(path, "ping", NULL), 200);
	process_run_to(EXIT_OK, CLIENT_WITH(setting));
	// --control comes first, in both programs.
	daemon_stop(daemon_start_as(
		PROCESS(.arguments = STRINGS(NULL), .environment = STRINGS(setting))));
	// A setting is a request: without its socket there is no server.
	struct process *process = process_run_to(EXIT_UNREACHABLE, SERVER_WITH(setting));
	assert_int_equal(process_count_lines(process_errors(process, NULL)), 1);
	expect_error_texts(process, STRINGS("--control", path));
	process_end(server);
	expect_error_texts(process_run_to(EXIT_UNREACHABLE, CLIENT_WITH(setting)),
			   STRINGS("--control", path));

	server = start(SERVER_WITH("ECHOD_CONTROL=none"));
	process_expect_error_text(server, "control socket none");
	process_end(server);
	process_run_to(EXIT_USAGE, CLIENT_WITH("ECHOD_CONTROL=none"));

	server = start(
		SERVER_WITH("ECHOD_CONTROL=", test_text("XDG_RUNTIME_DIR=%.*s",
							(int)strlen(directory) - 1, directory)));
	assert_int_equal(ctl_request(place_path("echod.sock"), "ping", NULL), 200);
	process_end(server);

	process = process_run_to(EXIT_USAGE, SERVER_WITH("ECHOD_CONTROL=@"));
	assert_contains(process_errors(process, NULL), "$ECHOD_CONTROL: '@'");
}

TEST(sockets_of_a_super_server_or_of_another_process) {
	uint16_t port;
	int listener = peer_listen(0, 4, &port);
	int client = peer_connect(test_text("127.0.0.1:%u", port));
	const int inputs[] = {listener, client};
	for (size_t i = 0; i < COUNT_OF(inputs); i++)
		daemon_refuses(PROCESS(.arguments = STRINGS(NULL), .in = inputs[i]), EXIT_USAGE,
			       STRINGS("standard input", "StandardInput=", "--listen"));
	close(client);
	close(listener);
	// Those of another process, or none.
	static const char *const owners[] = {"LISTEN_PID=1", "LISTEN_PID=", NULL};
	for (size_t i = 0; i < COUNT_OF(owners); i++) {
		daemon_stop(daemon_start_as(
			PROCESS(.arguments = STRINGS(NULL),
				.environment = STRINGS("LISTEN_FDS=1", owners[i]))));
		test_clean_up();
	}
}

static void empty_dev(void) {
	network_enter();
	process_cover("/dev", 0);
}

TEST(no_null_device) {
	static const char *const programs[][3] = {{ECHOD_PROGRAM, "-c", "none"},
						  {ECHOCTL_PROGRAM, "ping"},
						  {ECHOCAT_PROGRAM, "127.0.0.1:9"},
						  {ECHOLOAD_PROGRAM, "127.0.0.1:9"}};
	for (size_t i = 0; i < COUNT_OF(programs) * 2; i++) {
		const char *const *words = programs[i / 2];
		struct process_spec spec = {.arguments = STRINGS(words[0], words[1], words[2]),
					    .prepare = empty_dev};
		*(i % 2 ? &spec.out : &spec.in) = PROCESS_CLOSED;
		assert_contains(process_errors(process_run_to(EXIT_UNREACHABLE, &spec), NULL),
				i % 2 ? "descriptor 1 is closed" : "descriptor 0 is closed");
	}
	// It is needed only if one is closed.
	process_end(start_in(empty_dev, "127.0.0.1:0"));
}

static void enter_silence(void) {
	network_enter();
	network_mute_resolver();
}

TEST(an_end_while_a_name_is_looked_up) {
	const char *local = place_address("first");
	struct process *process = process_start(
		PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", local, "-l", "slow.example:7101",
					     "-c", place_path("ctl")),
			.prepare = enter_silence));
	wait_until(process_named_threads(process_pid(process), "resolve\n") > 0);
	process_end(process);
	process_expect_error_text(process, "'slow.example': interrupted");
	assert_false(place_exists(place_path("first")) || place_exists(place_path("ctl")));
}
