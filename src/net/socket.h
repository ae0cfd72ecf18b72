// A connected socket. Any thread.
#ifndef ECHOD_NET_SOCKET_H
#define ECHOD_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// recv(2) and send(2) that are no cancellation points (pthreads(7)). No thread that calls them is
// cancelled, and being one costs the C library's more instructions than all else they do.
ssize_t socket_receive(int fd, void *bytes, size_t size, int flags);
ssize_t socket_send(int fd, const void *bytes, size_t length, int flags);

// The error that the kernel keeps for a socket (SO_ERROR, socket(7)), which is reset; 0: there is
// none. If it cannot be read, the reason for that.
int socket_take_error(int fd);

// Closes a connection; the one place where that is done. With `all_echoed` the peer sees an orderly
// end if no bytes of it are left unread here. Else it sees a reset, so that it does not take a part
// of its echo for all. (AF_UNIX has no reset on purpose. There the peer sees one only if it sent
// bytes that nobody read.) In a host program (`is_guest`) the end does not wait for a child that
// holds the descriptor since a fork, except for a reset over AF_UNIX.
void socket_close(int fd, bool all_echoed, bool is_guest);

#endif
