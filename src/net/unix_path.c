#include "net/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_id.h"

#define LOCK_PATIENCE (2 * NS_PER_S) // with another server of our user in the same step
#define LOCK_SUFFIX ".echod-lock"
#define LOCK_NONE (-1) // in place of a descriptor: cannot be made, or another user's file is there
#define LOCK_BUSY (-2)

struct path_lock {
	char path[ADDRESS_PATH_SIZE + sizeof(LOCK_SUFFIX)];
	int fd;
};

bool unix_path_is_same(const struct endpoint *one, const struct endpoint *other)
{
	struct file_id here;
	struct file_id there;
	if (endpoint_is_same(one, other))
		return true;
	return one->as.any.sa_family == AF_UNIX && other->as.any.sa_family == AF_UNIX &&
	       file_id_find(one->as.local.sun_path, &here) &&
	       file_id_find(other->as.local.sun_path, &there) && file_id_is_same(&here, &there);
}

// Returns a descriptor, or LOCK_NONE.
static int open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat status;
	if (fd < 0)
		return LOCK_NONE;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	    status.st_size == 0)
		return fd;
	close(fd);
	return LOCK_NONE;
}

// Locks `fd`. Returns whether it is locked now and still the file at `path`; -1 if there are no
// locks here, such as on some network file systems.
static int lock_file(int fd, const char *path)
{
	struct stat ours;
	struct stat theirs;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
	if (fstat(fd, &ours) != 0)
		return -1;
	if (lstat(path, &theirs) != 0)
		return errno == ENOENT ? 0 : -1;
	return ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

static struct path_lock take_lock(const char *path)
{
	struct path_lock lock;
	snprintf(lock.path, sizeof(lock.path), "%s" LOCK_SUFFIX, path);
	uint64_t deadline = clock_deadline(LOCK_PATIENCE);
	for (;;) {
		lock.fd = open_lock(lock.path);
		if (lock.fd == LOCK_NONE)
			return lock;
		int taken = lock_file(lock.fd, lock.path);
		if (taken > 0)
			return lock;
		if (taken < 0)
			unlink(lock.path);
		close(lock.fd);
		lock.fd = taken < 0 ? LOCK_NONE : LOCK_BUSY;
		if (taken < 0 || clock_now() >= deadline)
			return lock;
		poll(NULL, 0, 1);
	}
}

static void release_lock(const struct path_lock *lock)
{
	if (lock->fd == LOCK_NONE)
		return;
	unlink(lock->path);
	close(lock->fd);
}

// Whether a socket is bound at `endpoint`: 1, 0, or -1 with errno. A datagram socket asks, which a
// stream socket refuses for its type. So a live server gets no connection from this.
static int is_live(const struct endpoint *endpoint)
{
	int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return -1;
	int failed = connect(probe, &endpoint->as.any, endpoint->length);
	int why = errno;
	close(probe);
	errno = why;
	if (!failed || why == EPROTOTYPE || why == EPERM)
		return 1;
	return why == ECONNREFUSED ? 0 : -1;
}

// Makes `path` free to bind: removes a stale socket.
static int clear_stale(const char *path, const struct endpoint *endpoint, struct echod_error *error)
{
	struct stat status;
	if (lstat(path, &status) != 0)
		return 0; // if it cannot be looked at, bind reports why
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "cannot listen on '%s': it exists and is not a socket", path);
	int live = is_live(endpoint);
	if (live > 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "cannot listen on '%s': a live server is listening there", path);
	if (live < 0 || unlink(path) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot replace the socket '%s': %s",
				 path, error_text(errno));
	return 0;
}

static int fail_listen(const char *path, int number, struct echod_error *error)
{
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot listen on '%s': %s", path,
			 number == EADDRINUSE ? "a live server has this name" : error_text(number));
}

static int bind_file(struct unix_path *claim, int fd, const struct endpoint *endpoint, int backlog,
		     struct echod_error *error)
{
	const char *path = claim->path;
	if (clear_stale(path, endpoint, error) != 0)
		return -1;
	if (bind(fd, &endpoint->as.any, endpoint->length) != 0)
		return fail_listen(path, errno, error);
	struct stat status;
	if (lstat(path, &status) != 0 || listen(fd, backlog) != 0) {
		fail_listen(path, errno, error);
		unlink(path);
		return -1;
	}
	claim->claimed = true;
	claim->device = status.st_dev;
	claim->inode = status.st_ino;
	return 0;
}

int unix_path_listen(struct unix_path *claim, int fd, const char *path, int backlog,
		     bool owner_only, struct echod_error *error)
{
	*claim = (struct unix_path){0};
	struct endpoint endpoint;
	if (endpoint_from_path(path, &endpoint, error) != 0)
		return -1;
	strcpy(claim->path, path);
	if (endpoint_is_abstract(&endpoint)) {
		if (bind(fd, &endpoint.as.any, endpoint.length) == 0 && listen(fd, backlog) == 0)
			return 0;
		return fail_listen(path, errno, error);
	}
	// bind takes the mode of the socket's own inode, less the umask (unix(7) does not say so).
	// So the file never exists with a wider mode. The umask itself belongs to the whole
	// process.
	if (owner_only && fchmod(fd, 0600) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot set the mode of '%s': %s", path,
				 error_text(errno));
	struct path_lock lock = take_lock(path);
	if (lock.fd == LOCK_BUSY)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "cannot listen on '%s': another server has held '%s' for 2 s",
				 path, lock.path);
	int result = bind_file(claim, fd, &endpoint, backlog, error);
	release_lock(&lock);
	return result;
}

void unix_path_remove(struct unix_path *claim)
{
	struct stat status;
	if (claim->claimed && lstat(claim->path, &status) == 0 && status.st_dev == claim->device &&
	    status.st_ino == claim->inode)
		unlink(claim->path);
	claim->claimed = false;
}
