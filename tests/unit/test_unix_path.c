// Paths of Unix-domain sockets: net/unix_path. Each test has a directory of its own as working
// directory.
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/unix_path.h"
#include "socket_file.h"

static bool hurry; // each look at the clock takes it on by a second
static time_t ahead;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	int result = __real_clock_gettime(id, now);
	if (hurry)
		now->tv_sec += ahead++;
	return result;
}

static struct stat status_of(const char *path)
{
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status;
}

static bool is_there(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0;
}

// Claims `path`; returns the listening descriptor.
static int claim(struct unix_path *claim, const char *path)
{
	int fd = new_socket(SOCK_STREAM);
	struct error error;
	if (unix_path_listen(claim, fd, path, 16, true, &error) != 0)
		fail_msg("%s", error.message);
	return fd;
}

// Claiming 's' must fail with `message`, and leave the file there as it is.
static void check_refused(const char *message)
{
	struct stat before = status_of("s");
	struct unix_path path;
	struct error error = {0};
	int fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&path, fd, "s", 16, true, &error), -1);
	assert_int_equal(error.kind, ERROR_SYSTEM);
	assert_string_equal(error.message, message);
	assert_false(path.claimed);
	unix_path_remove(&path);
	close(fd);
	struct stat after = status_of("s");
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
}

static void is_there_while_claimed(void **state)
{
	struct unix_path path;
	int fd = claim(&path, "s");
	assert_true(takes_connections("s"));
	unix_path_remove(&path);
	assert_false(is_there("s"));
	unix_path_remove(&path);
	close(fd);
}

static void an_absolute_path_will_do(void **state)
{
	char absolute[64];
	snprintf(absolute, sizeof(absolute), "%s/s", (const char *)*state);
	struct unix_path path;
	int fd = claim(&path, absolute);
	assert_true(takes_connections("s"));
	assert_int_equal(chdir("/"), 0);
	unix_path_remove(&path);
	assert_int_equal(chdir(*state), 0);
	assert_false(is_there("s"));
	close(fd);
}

static void a_stale_socket_is_replaced(void **state)
{
	leave_stale("s");
	assert_false(takes_connections("s"));
	struct unix_path path;
	int fd = claim(&path, "s");
	assert_true(takes_connections("s"));
	assert_int_equal(status_of("s").st_ino, path.inode);
	unix_path_remove(&path);
	close(fd);
	assert_false(is_there("s"));
}

static void a_live_socket_is_not_taken(void **state)
{
	struct unix_path path;
	int fd = claim(&path, "s");
	check_refused(LIVE);
	assert_true(takes_connections("s"));
	unix_path_remove(&path);
	close(fd);
}

static void a_live_socket_with_a_full_backlog_is_not_taken(void **state)
{
	int server = new_socket(SOCK_STREAM);
	bind_to(server, "s");
	assert_int_equal(listen(server, 0), 0);
	int waiting = new_socket(SOCK_STREAM);
	assert_int_equal(try_connect(waiting, "s"), 0);
	int refused = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
	assert_int_equal(try_connect(refused, "s"), -1);
	assert_int_equal(errno, EAGAIN);
	check_refused(LIVE);
	close(refused);
	close(waiting);
	close(server);
	unlink("s");
}

static void a_socket_of_another_type_is_not_taken(void **state)
{
	int server = new_socket(SOCK_DGRAM);
	bind_to(server, "s");
	check_refused(LIVE);
	close(server);
	unlink("s");
}

static void what_is_no_socket_is_left_alone(void **state)
{
	static const char message[] = "cannot listen on 's': it exists and is not a socket";
	int file = open("s", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(write(file, "precious", 8), 8);
	close(file);
	check_refused(message);
	assert_int_equal(status_of("s").st_size, 8);
	assert_int_equal(unlink("s"), 0);

	assert_int_equal(mkdir("s", 0755), 0);
	check_refused(message);
	assert_int_equal(rmdir("s"), 0);

	assert_int_equal(mkfifo("s", 0644), 0);
	check_refused(message);
	assert_int_equal(unlink("s"), 0);

	assert_int_equal(symlink("nowhere", "s"), 0);
	check_refused(message);
	assert_false(is_there("nowhere"));
	assert_int_equal(unlink("s"), 0);

	leave_stale("elsewhere");
	assert_int_equal(symlink("elsewhere", "s"), 0);
	check_refused(message);
	assert_true(is_there("elsewhere"));
	assert_int_equal(unlink("s"), 0);
	assert_int_equal(unlink("elsewhere"), 0);
}

static void the_owners_alone_under_any_umask(void **state)
{
	static const mode_t masks[] = {0, 022, 0777};
	for (size_t i = 0; i < COUNT_OF(masks); i++) {
		mode_t mask = umask(masks[i]);
		struct unix_path path;
		int fd = claim(&path, "s");
		umask(mask);
		assert_int_equal(status_of("s").st_mode, S_IFSOCK | (0600 & ~masks[i]));
		unix_path_remove(&path);
		close(fd);
	}
}

static void without_owner_only_the_umask_decides(void **state)
{
	mode_t mask = umask(0);
	struct unix_path path;
	int fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&path, fd, "s", 16, false, NULL), 0);
	umask(mask);
	assert_int_equal(status_of("s").st_mode, S_IFSOCK | 0777);
	unix_path_remove(&path);
	close(fd);
}

static void a_successors_socket_is_not_removed(void **state)
{
	struct unix_path ours;
	struct unix_path theirs;
	int fd = claim(&ours, "s");
	assert_int_equal(unlink("s"), 0);
	int successor = claim(&theirs, "s");
	unix_path_remove(&ours);
	assert_true(takes_connections("s"));
	close(fd);
	unix_path_remove(&theirs);
	assert_false(is_there("s"));
	close(successor);
}

static void a_missing_directory_is_named(void **state)
{
	struct unix_path path;
	struct error error;
	int fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&path, fd, "none/s", 16, true, &error), -1);
	assert_string_equal(error.message,
			    "cannot lock the directory of 'none/s': No such file or directory");
	close(fd);
}

static void a_lock_that_stays_is_not_waited_for_for_ever(void **state)
{
	int lock = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	struct unix_path path;
	struct error error;
	int fd = new_socket(SOCK_STREAM);
	hurry = true;
	int result = unix_path_listen(&path, fd, "s", 16, true, &error);
	hurry = false;
	assert_int_equal(result, -1);
	assert_int_equal(error.kind, ERROR_SYSTEM);
	assert_non_null(strstr(error.message, "cannot lock the directory of 's': "));
	assert_false(is_there("s"));
	close(fd);
	close(lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(is_there_while_claimed),
		IN_DIRECTORY(an_absolute_path_will_do),
		IN_DIRECTORY(a_stale_socket_is_replaced),
		IN_DIRECTORY(a_live_socket_is_not_taken),
		IN_DIRECTORY(a_live_socket_with_a_full_backlog_is_not_taken),
		IN_DIRECTORY(a_socket_of_another_type_is_not_taken),
		IN_DIRECTORY(what_is_no_socket_is_left_alone),
		IN_DIRECTORY(the_owners_alone_under_any_umask),
		IN_DIRECTORY(without_owner_only_the_umask_decides),
		IN_DIRECTORY(a_successors_socket_is_not_removed),
		IN_DIRECTORY(a_missing_directory_is_named),
		IN_DIRECTORY(a_lock_that_stays_is_not_waited_for_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
