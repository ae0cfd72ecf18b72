// Scenario: no server, and the kernel gives the client the very port that it wants to connect to.
// TCP then connects the client to itself, and it hears a perfect echo. echocat and echoload must
// notice.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "network.h"

#define PORT "40000"

// A network with one port for clients. A plain connect to it does connect to itself.
BEFORE_ALL {
	network_enter();
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, PORT " " PORT, 11), 11);
	close(fd);
	struct sockaddr_in peer = {.sin_family = AF_INET,
				   .sin_port = htons(40000),
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in ours = {0};
	socklen_t size = sizeof(ours);
	struct linger no_time_wait = {.l_onoff = 1};
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ours, &size), 0);
	assert_int_equal(ours.sin_port, peer.sin_port);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof(no_time_wait));
	close(fd);
}

TEST(echocat_notices) {
	struct process *client = EXPECT_STATUS(EXIT_UNREACHABLE, ECHOCAT_PROGRAM, "--message",
					       "Hello, world", "127.0.0.1", PORT);
	process_expect_complaint(client, "echocat: ", STRINGS(""));
}

// Each connection that comes about is one to itself, and none counts.
TEST(echoload_notices) {
	load_refuses(EXIT_UNREACHABLE, "self_connect: connected to itself: no server listens there",
		     test_text("127.0.0.1:%s", PORT), "-c", "1", "-d", "2s");
}
