// Leads the fortified recv back to the test's own, for unit tests that wrap it. glibc's headers
// call
// __recv_chk where the compiler knows the size of the buffer.
#include <stdlib.h>
#include <sys/socket.h>

ssize_t __wrap_recv(int fd, void *buffer, size_t length, int flags);
ssize_t __wrap___recv_chk(int fd, void *buffer, size_t length, size_t size, int flags);

ssize_t __wrap___recv_chk(int fd, void *buffer, size_t length, size_t size, int flags) {
	if (length > size)
		abort();
	return __wrap_recv(fd, buffer, length, flags);
}
