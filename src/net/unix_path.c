// The path of a Unix-domain socket that a server listens on. May block for a moment.
#include "net/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define LOCK_PATIENCE (2 * NS_PER_S)

// Locks the directory of `path` against other servers that are about to replace a socket there.
// Returns a descriptor to close, or -1 with errno.
static int lock_directory(const char *path)
{
	char directory[sizeof(((struct unix_path *)0)->path)];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	if (length == 0)
		strcpy(directory, slash ? "/" : ".");
	else {
		memcpy(directory, path, length);
		directory[length] = '\0';
	}
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	uint64_t deadline = clock_deadline(LOCK_PATIENCE);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || clock_now() >= deadline) {
			int saved = errno;
			close(fd);
			errno = saved;
			return -1;
		}
		poll(NULL, 0, 10);
	}
	return fd;
}

static struct sockaddr_un make_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	ensure(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

// Whether somebody accepts connections on the socket at `path`: 1, 0, or -1 with errno.
static int is_live(const char *path)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return -1;
	struct sockaddr_un address = make_address(path);
	int failed = connect(probe, (struct sockaddr *)&address, sizeof(address));
	int why = errno;
	close(probe);
	errno = why;
	if (!failed || why == EAGAIN || why == EPROTOTYPE) // its backlog is full; not of our type
		return 1;
	return why == ECONNREFUSED ? 0 : -1;
}

// Makes `path` free to bind: nothing there, or a stale socket, which is removed.
static int clear_stale(const char *path, struct error *error)
{
	struct stat status;
	if (lstat(path, &status) != 0) {
		if (errno == ENOENT)
			return 0;
		return error_set(error, ERROR_SYSTEM, "cannot look at '%s': %s", path,
				 error_text(errno));
	}
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, ERROR_SYSTEM,
				 "cannot listen on '%s': it exists and is not a socket", path);
	int live = is_live(path);
	if (live > 0)
		return error_set(error, ERROR_SYSTEM,
				 "cannot listen on '%s': a live server is listening there", path);
	if (live < 0 || unlink(path) != 0)
		return error_set(error, ERROR_SYSTEM, "cannot replace the socket '%s': %s", path,
				 error_text(errno));
	return 0;
}

static int claim_locked(struct unix_path *claim, int fd, const char *path, int backlog,
			bool owner_only, struct error *error)
{
	if (clear_stale(path, error) != 0)
		return -1;
	// unix(7) leaves it out, but bind takes the mode of the socket's own inode, less the umask,
	// so the file never exists with a wider one. The umask itself belongs to the whole process.
	if (owner_only && fchmod(fd, 0600) != 0)
		return error_set(error, ERROR_SYSTEM, "cannot set the mode of '%s': %s", path,
				 error_text(errno));
	struct sockaddr_un address = make_address(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return error_set(error, ERROR_SYSTEM, "cannot bind '%s': %s", path,
				 error_text(errno));
	struct stat status;
	if (lstat(path, &status) != 0 || listen(fd, backlog) != 0) {
		error_set(error, ERROR_SYSTEM, "cannot listen on '%s': %s", path,
			  error_text(errno));
		unlink(path);
		return -1;
	}
	*claim = (struct unix_path){
		.claimed = true, .device = status.st_dev, .inode = status.st_ino};
	strcpy(claim->path, path);
	return 0;
}

int unix_path_listen(struct unix_path *claim, int fd, const char *path, int backlog,
		     bool owner_only, struct error *error)
{
	*claim = (struct unix_path){0};
	int lock = lock_directory(path);
	if (lock < 0)
		return error_set(error, ERROR_SYSTEM, "cannot lock the directory of '%s': %s", path,
				 error_text(errno));
	int result = claim_locked(claim, fd, path, backlog, owner_only, error);
	close(lock);
	return result;
}

void unix_path_remove(struct unix_path *claim)
{
	if (!claim->claimed)
		return;
	claim->claimed = false;
	int lock = lock_directory(claim->path);
	struct stat status;
	if (lstat(claim->path, &status) == 0 && status.st_dev == claim->device &&
	    status.st_ino == claim->inode)
		unlink(claim->path);
	if (lock >= 0)
		close(lock);
}
