// Unix-domain sockets in a directory of the test's own, for the tests of net/unix_path.
#ifndef ECHOD_UNIT_SOCKET_FILE_H
#define ECHOD_UNIT_SOCKET_FILE_H

#include "test.h"

#include "net/unix_path.h"

// The error of a server that loses a race for the path `s`.
#define LIVE "cannot listen on 's': a live server is listening there"

// A fixture: runs the test in a new working directory, and fails it if something is left there.
extern char test_directory[32];
void enter_directory(void);
void leave_directory(void);

int new_socket(int type);
int try_connect(int fd, const char *path);
void bind_to(int fd, const char *path);

// Leaves a socket file whose server is gone.
void leave_stale(const char *path);

bool takes_connections(const char *path);

// Claims `path`, which must succeed, and listens; removes the claim and closes its descriptor.
extern struct unix_path claimed;
extern int claimed_fd;
void claim(const char *path);
void give_up(void);

#endif
