// The server's half of a polling pair, the floor of a round trip: one connection at a time, and
// recv(2) is asked again and again instead of sleeping. The other half is echoload with one
// connection. `pingpair PORT`
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

static void serve(int fd)
{
	static char buffer[PEER_BUFFER_SIZE];
	for (;;) {
		ssize_t received = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (received < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (received <= 0 || !peer_send_all(fd, buffer, (size_t)received))
			return;
	}
}

int main(int argc, char **argv)
{
	unsigned short port = peer_start(argc, argv);
	int listener = peer_listen(port, false, false);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		serve(fd);
		close(fd);
	}
}
