// Locks beside a Unix-domain socket's path: net/unix_path. A lock of somebody else holds up no
// server.
#include "expect.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "place.h"
#include "socket_file.h"

#define LOCK "s.echod-lock"

static bool hurry; // each call moves the clock on by a second
static time_t ahead;

WRAP(int, clock_gettime, (clockid_t id, struct timespec *now)) {
	int result = __real_clock_gettime(id, now);
	if (hurry)
		now->tv_sec += ahead++;
	return result;
}

static int lock_error; // of flock; 0: it works

WRAP(int, flock, (int fd, int operation)) {
	errno = lock_error;
	return lock_error ? -1 : __real_flock(fd, operation);
}

AROUND_EACH(enter_directory, leave_directory);

// Any user that may open a directory can lock it.
TEST(a_locked_directory_holds_up_nobody) {
	int lock = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	leave_stale("s");
	claim("s");
	assert_true(takes_connections("s"));
	give_up();
	assert_false(place_exists("s"));
	close(lock);
}

// Any other file in the place of the lock is left alone, and there is no lock.
TEST(a_strangers_lock_is_none) {
	leave_stale("s");
	int file = open(LOCK, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	assert_int_equal(write(file, "precious", 8), 8);
	assert_int_equal(flock(file, LOCK_EX), 0);
	claim("s");
	assert_true(takes_connections("s"));
	give_up();
	struct stat status;
	assert_int_equal(lstat(LOCK, &status), 0);
	assert_int_equal(status.st_size, 8);
	assert_int_equal(unlink(LOCK), 0);
	close(file);
	assert_int_equal(mkdir(LOCK, 0700), 0);
	claim("s");
	give_up();
	assert_int_equal(rmdir(LOCK), 0);
	close(open(LOCK, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	bool is_strange = chown(LOCK, 65534, (gid_t)-1) == 0; // if we may
	claim("s");
	give_up();
	assert_int_equal(unlink(LOCK) == 0, is_strange);
}

// As on some network file systems: then there is no lock, and no wait for one.
TEST(without_locks_it_listens_at_once) {
	uint64_t begun = clock_now();
	leave_stale("s");
	lock_error = ENOLCK;
	claim("s");
	lock_error = 0;
	assert_true(clock_now() - begun < NS_PER_S);
	assert_true(takes_connections("s"));
	assert_false(place_exists(LOCK));
	give_up();
}

TEST(a_lock_that_a_killed_server_left_is_used_and_removed) {
	close(open(LOCK, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	claim("s");
	assert_false(place_exists(LOCK));
	give_up();
}

TEST(a_lock_that_stays_is_not_waited_for_for_ever) {
	int lock = open(LOCK, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	struct unix_path path;
	struct echod_error error;
	int fd = new_socket(SOCK_STREAM);
	hurry = true;
	int result = unix_path_listen(&path, fd, "s", 16, true, &error);
	hurry = false;
	assert_error(result, &error, ECHOD_ERROR_SYSTEM,
		     "another server has held 's.echod-lock' for 2 s");
	assert_false(place_exists("s"));
	close(fd);
	close(lock);
	assert_int_equal(unlink(LOCK), 0);
}
