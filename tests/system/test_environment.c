// Scenario: the surroundings that a program is started in. Networks without IPv6, nowhere to put
// the default control socket, sockets of a service manager, no /dev/null.
#include <fcntl.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
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
#include "place.h"

static void write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(120);
	close(fd);
}

static void enter_network(void) {
	network_enter();
	network_hosts("::1 twin\n127.0.0.1 twin\n::1 six\n");
}

// As `sysctl net.ipv6.conf.all.disable_ipv6=1`.
static void disable_ipv6(void) {
	enter_network();
	write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
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

// A network cannot be reached from outside: what the server says must do.
static struct process *start_in(void (*prepare)(void), const char *const *options) {
	struct process *process = process_start(PROCESS(.arguments = options, .prepare = prepare));
	wait_until(strchr(process_output(process, NULL), '\n') || !process_is_running(process));
	return process;
}

static void end(struct process *process) {
	process_signal(process, SIGTERM);
	assert_int_equal(process_wait(process), EXIT_OK);
}

TEST(a_name_without_ipv6) {
	void (*const without[])(void) = {disable_ipv6, forbid_ipv6};
	static const char *const reasons[] = {"Cannot assign requested address",
					      "Address family not supported"};
	for (size_t i = 0; i < 2; i++) {
		struct process *process = start_in(
			without[i], STRINGS(ECHOD_PROGRAM, "-l", "twin:7101", "-c", "none"));
		assert_string_equal(process_output(process, NULL), "listening on 127.0.0.1:7101\n");
		process_expect_error_text(process, "'twin' is also [::1]:7101, which is left out");
		process_expect_error_text(process, reasons[i]);
		end(process);
		// Nothing is left.
		int status = process_run(
			PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "six:7101", "-c", "none"),
				.prepare = without[i]),
			&process);
		assert_int_equal(status, EXIT_UNREACHABLE);
		assert_int_equal(process_count_lines(process_errors(process, NULL)), 1);
		assert_contains(process_errors(process, NULL), reasons[i]);
	}
	// All interfaces are those of IPv4; or [::], which takes it.
	struct process *process =
		start_in(forbid_ipv6, STRINGS(ECHOD_PROGRAM, "-l", ":7101", "-c", "none"));
	assert_string_equal(process_output(process, NULL), "listening on 0.0.0.0:7101\n");
	end(process);
	process = start_in(disable_ipv6, STRINGS(ECHOD_PROGRAM, "-l", ":7101", "-c", "none"));
	assert_string_equal(process_output(process, NULL), "listening on [::]:7101\n");
	end(process);
}

TEST(one_port_for_a_name) {
	struct process *process = process_start(
		PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "twin:0", "-c", "none"),
			.prepare = enter_network));
	wait_until(process_count_lines(process_output(process, NULL)) == 2);
	unsigned first, second;
	assert_int_equal(sscanf(process_output(process, NULL),
				"listening on [::1]:%u\nlistening on 127.0.0.1:%u\n", &first,
				&second),
			 2);
	assert_int_equal(first, second);
	end(process);
}

TEST(addresses_that_overlap) {
	char any[32], four[32];
	unsigned port = peer_free_port();
	snprintf(any, sizeof(any), "[::]:%u", port);
	snprintf(four, sizeof(four), "0.0.0.0:%u", port);
	daemon_refuses(PROCESS(.arguments = STRINGS("-l", any, "--listen", four)), EXIT_USAGE,
		       STRINGS(any, four, "--listen"));
	const char *path = place_path("both");
	char local[160];
	snprintf(local, sizeof(local), "unix:/.%s", path); // the same, written otherwise
	daemon_refuses(PROCESS(.arguments = STRINGS("--listen", local, "--control", path)),
		       EXIT_USAGE, STRINGS("--control", path));
	assert_false(place_exists(path));
}

// Starts echod with the settings, NULL last, in its environment and no --control. Returns when it
// listens.
static struct process *start_with(const char *const *environment, void (*prepare)(void)) {
	struct process *process =
		process_start(PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:0"),
				      .environment = environment, .prepare = prepare));
	wait_until(strchr(process_output(process, NULL), '\n') || !process_is_running(process));
	if (!process_is_running(process))
		fail_msg("%s", process_errors(process, NULL));
	return process;
}

// Mounts an empty file system at `path`, for us alone.
static void cover(const char *path, unsigned long flags) {
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", path, "tmpfs", flags, NULL) != 0)
		_exit(121);
}

static void freeze_run(void) {
	network_enter();
	cover("/run", MS_RDONLY);
}

TEST(no_place_for_the_default_control_socket) {
	char missing[160], present[160];
	snprintf(missing, sizeof(missing), "XDG_RUNTIME_DIR=%s", place_path("missing"));
	const char *directory = place_path("runtime");
	assert_int_equal(mkdir(directory, 0700), 0);
	snprintf(present, sizeof(present), "XDG_RUNTIME_DIR=%s", directory);
	static const char *const way_out =
		"(--control PATH, or $ECHOD_CONTROL, names another socket)";

	struct process *process = start_with(STRINGS(missing), NULL);
	process_expect_error_text(process,
				  "no control socket, so echoctl will not find this server: "
				  "cannot listen on '");
	process_expect_error_text(process, place_path("missing/echod.sock"));
	process_expect_error_text(process, way_out);
	process_expect_error_text(process, "control socket none");
	end(process);

	process = start_with(STRINGS("XDG_RUNTIME_DIR=/run"), freeze_run);
	process_expect_error_text(process, "Read-only file system");
	process_expect_error_text(process, way_out);
	end(process);

	// A second server of the user: the first keeps the socket.
	process = start_with(STRINGS(present), NULL);
	struct process *second = start_with(STRINGS(present), NULL);
	process_expect_error_text(second, "a live server is listening there");
	process_expect_error_text(second, way_out);
	end(second);
	assert_int_equal(ctl_request(place_path("runtime/echod.sock"), "ping", NULL), 200);
	end(process);
	assert_false(place_exists(place_path("runtime/echod.sock")));
}

// Runs echoctl with this setting in its environment.
static int ask_with(const char *setting, struct process **process) {
	return process_run(PROCESS(.arguments = STRINGS(ECHOCTL_PROGRAM, "ping"),
				   .environment = STRINGS(setting)),
			   process);
}

TEST(a_control_socket_from_the_environment) {
	struct process *process, *client;
	const char *path = place_path("from-environment");
	char setting[200], empty[200];
	snprintf(setting, sizeof(setting), "ECHOD_CONTROL=%s", path);
	process = start_with(STRINGS(setting), NULL);
	assert_int_equal(ctl_request(path, "ping", NULL), 200);
	assert_int_equal(ask_with(setting, &client), EXIT_OK);
	// --control comes first, in both programs.
	struct daemon *daemon = daemon_spawn(PROCESS(.arguments = STRINGS("--log-level", "info"),
						     .environment = STRINGS(setting)));
	daemon_wait_ready(daemon);
	daemon_stop(daemon);
	// Somebody asked for it: without it there is no server.
	int status = process_run(PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:0"),
					 .environment = STRINGS(setting)),
				 &client);
	assert_int_equal(status, EXIT_UNREACHABLE);
	assert_int_equal(process_count_lines(process_errors(client, NULL)), 1);
	assert_contains(process_errors(client, NULL), "--control");
	assert_contains(process_errors(client, NULL), path);
	end(process);
	assert_int_equal(ask_with(setting, &client), EXIT_UNREACHABLE);
	assert_contains(process_errors(client, NULL), path);
	assert_contains(process_errors(client, NULL), "--control");

	process = start_with(STRINGS("ECHOD_CONTROL=none"), NULL);
	process_expect_error_text(process, "control socket none");
	end(process);
	assert_int_equal(ask_with("ECHOD_CONTROL=none", &client), EXIT_USAGE);

	const char *directory = place_path("");
	snprintf(empty, sizeof(empty), "XDG_RUNTIME_DIR=%.*s", (int)strlen(directory) - 1,
		 directory);
	process = start_with(STRINGS("ECHOD_CONTROL=", empty), NULL);
	assert_int_equal(ctl_request(place_path("echod.sock"), "ping", NULL), 200);
	end(process);

	status = process_run(PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:0"),
				     .environment = STRINGS("ECHOD_CONTROL=@")),
			     &client);
	assert_int_equal(status, EXIT_USAGE);
	assert_contains(process_errors(client, NULL), "$ECHOD_CONTROL: '@'");
}

static void claim_sockets(void) {
	char pid[32];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (setenv("LISTEN_PID", pid, 1) != 0)
		_exit(124);
}

TEST(sockets_of_a_service_manager) {
	struct process_spec spec = {.arguments = STRINGS("--log-level", "info"),
				    .environment = STRINGS("LISTEN_FDS=1"),
				    .prepare = claim_sockets};
	daemon_refuses(&spec, EXIT_UNREACHABLE, STRINGS("LISTEN_FDS", "--listen"));
	// As a super-server hands it over.
	uint16_t port;
	spec = (struct process_spec){.arguments = STRINGS("--log-level", "info"),
				     .in = peer_listen(0, 4, &port)};
	daemon_refuses(&spec, EXIT_UNREACHABLE, STRINGS("standard input", "--listen"));
	close(spec.in);
	// Another's, or none.
	static const char *const settings[][2] = {{"LISTEN_FDS=1", "LISTEN_PID=1"},
						  {"LISTEN_FDS=1", "LISTEN_PID="},
						  {"LISTEN_FDS=1"}};
	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		struct daemon *daemon = daemon_spawn(
			PROCESS(.arguments = STRINGS("--log-level", "info"),
				.environment = STRINGS(settings[i][0], settings[i][1])));
		daemon_wait_ready(daemon);
		daemon_stop(daemon);
		test_clean_up();
	}
}

static void empty_dev(void) {
	network_enter();
	cover("/dev", 0);
}

TEST(no_null_device) {
	static const char *const programs[][3] = {{ECHOD_PROGRAM, "-c", "none"},
						  {ECHOCTL_PROGRAM, "ping"},
						  {ECHOCAT_PROGRAM, "127.0.0.1:9"},
						  {ECHOLOAD_PROGRAM, "127.0.0.1:9"}};
	for (size_t i = 0; i < COUNT_OF(programs); i++) {
		for (int closed = 0; closed < 2; closed++) {
			struct process *process;
			struct process_spec spec = {
				.arguments =
					STRINGS(programs[i][0], programs[i][1], programs[i][2]),
				.prepare = empty_dev};
			*(closed ? &spec.out : &spec.in) = PROCESS_CLOSED;
			assert_int_equal(process_run(&spec, &process), EXIT_UNREACHABLE);
			assert_contains(process_errors(process, NULL),
					closed ? "descriptor 1 is closed"
					       : "descriptor 0 is closed");
		}
	}
	// Nothing is missing: it is not needed.
	struct process *process =
		start_in(empty_dev, STRINGS(ECHOD_PROGRAM, "-l", "127.0.0.1:0", "-c", "none"));
	end(process);
}

static void enter_silence(void) {
	network_enter();
	network_mute_resolver();
}

// Whether a thread of its waits for the name server.
static bool asks(const struct process *process) {
	char pattern[64];
	char name[32] = "";
	glob_t found;
	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/comm", (int)process_pid(process));
	int failed = glob(pattern, 0, NULL, &found);
	for (size_t i = 0; !failed && strcmp(name, "resolve\n") != 0 && i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "re");
		if (file && !fgets(name, sizeof(name), file))
			name[0] = '\0';
		if (file)
			fclose(file);
	}
	globfree(&found);
	return strcmp(name, "resolve\n") == 0;
}

TEST(an_end_while_a_name_is_looked_up) {
	const char *local = place_address("first");
	struct process *process = process_start(
		PROCESS(.arguments = STRINGS(ECHOD_PROGRAM, "-l", local, "-l", "slow.example:7101",
					     "-c", place_path("ctl")),
			.prepare = enter_silence));
	wait_until(asks(process));
	process_signal(process, SIGTERM);
	assert_int_equal(process_wait(process), EXIT_OK);
	process_expect_error_text(process, "'slow.example': interrupted");
	assert_false(place_exists(place_path("first")) || place_exists(place_path("ctl")));
}
