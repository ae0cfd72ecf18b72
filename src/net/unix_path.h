// The path of a Unix-domain socket that a server listens on. It is taken over from a server that is
// gone, never from a live one, and removed only while it is ours. A path @NAME is a name in the
// abstract namespace: it has no file, and the kernel frees it with the socket. May block for up to
// 2 s.
//
// Two servers that find the same stale file must not both replace it. A socket that is bound and
// does not listen yet must not be taken for stale. So checking, replacing, binding and listening
// are one step, under a lock. The lock is flock(2) on PATH.echod-lock, a file of our own with mode
// 0600. Only our user and root can open it, so nobody else can hold it. Its owner removes the file
// before it unlocks. So a server that gets the lock checks that the file is still the one at that
// name. A server that is killed within the step leaves the file to the next one.
//
// If another user's file has that name (in a directory that others can write to), we go on without
// a lock. That user could have taken PATH itself as well.
//
// Removal takes no lock: while we listen, nobody takes our file for stale.
#ifndef ECHOD_NET_UNIX_PATH_H
#define ECHOD_NET_UNIX_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "net/address.h"

struct unix_path {
	char path[ADDRESS_PATH_SIZE];
	bool claimed; // and has a file
	dev_t device; // with inode: the file we made, so that a successor's is not removed
	ino_t inode;
};

// Whether both are the same socket of the file system or of the abstract namespace, however its
// directory is written.
bool unix_path_is_same(const struct endpoint *one, const struct endpoint *other);

// Makes `fd` listen on `path` with `backlog`. With `owner_only` the socket file has mode 0600, else
// 0777 less the umask.
int unix_path_listen(struct unix_path *claim, int fd, const char *path, int backlog,
		     bool owner_only, struct echod_error *error);

// Removes the socket file if it is still the one we made. Does nothing when nothing was claimed.
// Call it before the socket is closed.
void unix_path_remove(struct unix_path *claim);

#endif
