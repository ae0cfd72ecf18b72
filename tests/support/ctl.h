// A client of the control protocol, written from docs/control-protocol.md and not from the server's
// code, so that it can judge it. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_CTL_H
#define ECHOD_TESTS_CTL_H

#include <stddef.h>

// Connects to the control socket at `path`. The caller closes the descriptor.
int ctl_connect(const char *path);

// The same; -1 if no server listens there.
int ctl_try_connect(const char *path);

void ctl_send(int fd, const char *text);

// Reads one reply and returns its status; checks the framing. `body` (may be NULL) is
// zero-terminated and freed by the caller.
int ctl_receive(int fd, char **body);

// Sends `line` and a newline, reads the reply.
int ctl_ask(int fd, const char *line, char **body);

// The same on a connection of its own.
int ctl_request(const char *path, const char *line, char **body);

// Whether a server listens at `path`.
int ctl_is_live(const char *path);

#endif
