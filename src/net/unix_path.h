// The path of a Unix-domain socket that a server listens on: taken over when the server that made
// it is gone, never taken from a live one, removed again only while it is ours. May block for a
// moment.
#ifndef ECHOD_NET_UNIX_PATH_H
#define ECHOD_NET_UNIX_PATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"

struct unix_path {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool claimed;
	dev_t device; // with inode: which file we made, so that a successor's is left alone
	ino_t inode;
};

// Makes `fd` listen on `path` with `backlog`. With `owner_only` the socket file has mode 0600, else
// what the umask leaves of 0777. The directory is locked (flock) meanwhile, so of two servers that
// find the same stale socket only one replaces it.
int unix_path_listen(struct unix_path *claim, int fd, const char *path, int backlog,
		     bool owner_only, struct error *error);

// Removes the socket file if it is still the one we made. Does nothing when nothing was claimed.
void unix_path_remove(struct unix_path *claim);

#endif
