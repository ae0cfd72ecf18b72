// A connection. See the header for who owns it.
#include "echo/conn.h"

#include <sys/socket.h>
#include <unistd.h>

void conn_close_fd(int fd, bool all_echoed)
{
	if (!all_echoed) {
		struct linger at_once = {.l_onoff = 1, .l_linger = 0};
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	}
	close(fd);
}
