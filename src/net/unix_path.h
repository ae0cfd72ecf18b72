// The path of a Unix-domain socket that a server listens on: taken over when the server that made
// it is gone, never taken from a live one, removed again only while it is ours. A path @NAME is a
// name in the abstract namespace: it has no file, and the kernel frees it with the socket. May
// block for a moment.
//
// Two servers that find the same stale file must not both replace it, and a socket that is bound
// and does not listen yet must not be taken for a stale one. So looking, replacing, binding and
// listening are one step, under a lock. The lock is flock(2) on PATH.echod-lock, a file of our own
// with mode 0600: nobody but our user and root can open it, so nobody else can hold it. Its owner
// removes it before it lets go, so a server that gets a lock looks whether the file is still the
// one at that name. A server that is killed within the step leaves the file to the next one.
//
// Where somebody else's file stands at that name (in a directory that others may write to), there
// is no lock, and we go on without one: that somebody could as well have taken PATH itself.
//
// Removing takes no lock: while we listen, nobody takes our file for a stale one.
#ifndef ECHOD_NET_UNIX_PATH_H
#define ECHOD_NET_UNIX_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "net/address.h"

struct unix_path {
	char path[ADDRESS_PATH_SIZE];
	bool claimed; // and has a file
	dev_t device; // with inode: which file we made, so that a successor's is left alone
	ino_t inode;
};

// Whether both are one socket of the file system or of the abstract namespace, however the way to
// its directory is written.
bool unix_path_is_same(const struct endpoint *one, const struct endpoint *other);

// Makes `fd` listen on `path` with `backlog`. With `owner_only` the socket file has mode 0600, else
// what the umask leaves of 0777.
int unix_path_listen(struct unix_path *claim, int fd, const char *path, int backlog,
		     bool owner_only, struct echod_error *error);

// Removes the socket file if it is still the one we made. Does nothing when nothing was claimed.
// Before the socket is closed.
void unix_path_remove(struct unix_path *claim);

#endif
