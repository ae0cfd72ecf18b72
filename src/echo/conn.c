// A connection. See the header for who owns it.
#include "echo/conn.h"

#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char *conn_peer_text(const struct conn_origin *origin, char *text)
{
	if (origin->peer.any.sa_family != AF_UNIX)
		return inet_end_format(&origin->peer, text);
	snprintf(text, ADDRESS_TEXT_SIZE, "unix user %" PRIu32, origin->peer_user);
	return text;
}

const char *conn_local_text(const struct conn_origin *origin, char *text)
{
	if (origin->local.any.sa_family != AF_UNIX)
		return inet_end_format(&origin->local, text);
	return origin->local_name;
}

bool conn_reset_is_harmless(const struct conn *conn)
{
	int fd = conn->origin.fd;
	int unread = 0;
	int unacknowledged = 0;
	int segment = 0;
	socklen_t size = sizeof(segment);
	return conn_all_echoed(conn) && conn->origin.peer.any.sa_family != AF_UNIX &&
	       ioctl(fd, SIOCINQ, &unread) == 0 && unread == 0 &&
	       getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, &size) == 0 &&
	       ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged <= segment;
}

void conn_close_fd(int fd, bool all_echoed)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (all_echoed)
		shutdown(fd, SHUT_RDWR);
	else if (connect(fd, &nobody, sizeof(nobody)) != 0) // which resets TCP; or close does
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}
