// Scenario: no server, and the kernel gives the client the very port it wants to connect to
// (finding F9). TCP then connects the client to itself, and it hears a perfect echo. echocat must
// not fall for it, nor must echoload.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"

#define PORT 40000

static void write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(120);
	close(fd);
}

// A network of its own, as root or in a user namespace.
static void enter_namespace(void) {
	unsigned user = geteuid(), group = getegid();
	char map[64];
	if (user == 0) {
		if (unshare(CLONE_NEWNET) != 0)
			_exit(121);
		return;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		_exit(122);
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", user);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", group);
	write_file("/proc/self/gid_map", map);
}

static void bring_loopback_up(void) {
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		_exit(123);
	close(fd);
}

// That the trap works here: a plain connect does connect to itself.
static void connect_to_myself(void) {
	struct sockaddr_in peer = {.sin_family = AF_INET,
				   .sin_port = htons(PORT),
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in ours = {0};
	socklen_t size = sizeof(ours);
	struct linger no_time_wait = {.l_onoff = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&ours, &size) != 0 || ours.sin_port != htons(PORT))
		_exit(124);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof(no_time_wait));
	close(fd);
}

static void set_trap(void) {
	char range[32];
	enter_namespace();
	bring_loopback_up();
	snprintf(range, sizeof(range), "%d %d", PORT, PORT);
	write_file("/proc/sys/net/ipv4/ip_local_port_range", range);
	connect_to_myself();
}

TEST(echocat_notices) {
	char port[8];
	snprintf(port, sizeof(port), "%d", PORT);
	const char *const arguments[] = {ECHOCAT_PROGRAM, "--message", "Hello, world",
					 "127.0.0.1",	  port,	       NULL};
	struct process *client;
	int status = process_run(PROCESS(.arguments = arguments, .prepare = set_trap), &client);
	assert_string_equal(process_output(client, NULL), "");
	if (status != EXIT_UNREACHABLE)
		fail_msg("status %d: %s", status, process_errors(client, NULL));
	assert_int_equal(process_count_lines(process_errors(client, NULL)), 1);
}

// Each of the connections that comes about at all is one to itself, and none counts.
TEST(echoload_notices) {
	char target[24];
	snprintf(target, sizeof(target), "127.0.0.1:%d", PORT);
	const char *const arguments[] = {ECHOLOAD_PROGRAM, target, "-c", "1", "-d", "2s", NULL};
	struct process *client;
	int status = process_run(PROCESS(.arguments = arguments, .prepare = set_trap), &client);
	load_expect_refusal(client, status, EXIT_UNREACHABLE,
			    "self_connect: connected to itself: no server listens there");
}
