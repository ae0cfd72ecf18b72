#include "net/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t socket_receive(int fd, void *bytes, size_t size, int flags)
{
	return syscall(SYS_recvfrom, fd, bytes, size, flags, NULL, NULL);
}

ssize_t socket_send(int fd, const void *bytes, size_t length, int flags)
{
	return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

int socket_take_error(int fd)
{
	int number = 0;
	socklen_t size = sizeof(number);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) == 0 ? number : errno;
}

void socket_close(int fd, bool all_echoed, bool is_guest)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (all_echoed && is_guest)
		shutdown(fd, SHUT_RDWR);
	if (!all_echoed && connect(fd, &nobody, sizeof(nobody)) != 0) // which resets TCP; or close
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}
