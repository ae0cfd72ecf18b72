// Functions that the peers written in C share: the listening socket, and the unsent rest of an
// echo. Main thread, or any thread on its own data.
#ifndef BENCH_PEERS_COMMON_H
#define BENCH_PEERS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_BUFFER_SIZE 65536
#define PEER_MAX_DESCRIPTORS 1048576

// Reads PORT from the command line, raises the limit of descriptors, ignores SIGPIPE. Exits with 2
// on wrong usage.
unsigned short peer_start(int argc, char **argv);

// A socket listening on 127.0.0.1:`port`. TCP_NODELAY is on, and accepted sockets inherit it. Exits
// with 3 on failure.
int peer_listen(unsigned short port, bool nonblocking, bool reuse_port);

// Bytes that could not be sent yet. Owned by its connection; all zero if there are none.
struct unsent {
	char *bytes;
	size_t start;
	size_t end;
};

enum unsent_result {
	UNSENT_EMPTY,  // all is sent
	UNSENT_REST,   // wait until the socket can be written, and do not read before
	UNSENT_FAILED, // the peer is gone
};

// Sends `size` bytes on a non-blocking socket and keeps what it does not take in `unsent`, which
// must be empty.
enum unsent_result unsent_send(struct unsent *unsent, int fd, const char *bytes, size_t size);

// Sends what is left in `unsent`, and frees it once it is empty.
enum unsent_result unsent_flush(struct unsent *unsent, int fd);

void unsent_free(struct unsent *unsent);

// recv(2) that goes on after EINTR.
ssize_t peer_recv(int fd, char *buffer, size_t size, int flags);

// Sends all on a blocking socket. False: the peer is gone.
bool peer_send_all(int fd, const char *bytes, size_t size);

// Prints `what` and the reason, and exits with 3.
void peer_fail(const char *what) __attribute__((noreturn));

#endif
