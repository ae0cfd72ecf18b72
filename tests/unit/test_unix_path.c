// Paths of Unix-domain sockets: net/unix_path. Each test has a directory of its own as working
// directory.
#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "net/unix_path.h"
#include "socket_file.h"

#define NOBODY 65534

static struct stat status_of(const char *path) {
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status;
}

// Claiming 's' must fail with `message`, and leave the file there as it is.
static void check_refused(const char *message) {
	struct stat before = status_of("s");
	struct unix_path path;
	struct echod_error error = {0};
	int fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&path, fd, "s", 16, true, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
	assert_string_equal(error.message, message);
	assert_false(path.claimed);
	unix_path_remove(&path);
	close(fd);
	struct stat after = status_of("s");
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
}

FIXTURE(enter_directory, leave_directory);

TEST(is_there_while_claimed) {
	struct unix_path path;
	int fd = claim(&path, "s");
	assert_true(takes_connections("s"));
	unix_path_remove(&path);
	assert_false(is_there("s"));
	unix_path_remove(&path);
	close(fd);
}

TEST(an_absolute_path_will_do) {
	char absolute[64];
	snprintf(absolute, sizeof(absolute), "%s/s", test_directory);
	struct unix_path path;
	int fd = claim(&path, absolute);
	assert_true(takes_connections("s"));
	assert_int_equal(chdir("/"), 0);
	unix_path_remove(&path);
	assert_int_equal(chdir(test_directory), 0);
	assert_false(is_there("s"));
	close(fd);
}

TEST(a_stale_socket_is_replaced) {
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

TEST(a_live_socket_is_not_taken) {
	struct unix_path path;
	int fd = claim(&path, "s");
	check_refused(LIVE);
	assert_true(takes_connections("s"));
	unix_path_remove(&path);
	close(fd);
}

TEST(a_live_socket_with_a_full_backlog_is_not_taken) {
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

TEST(a_socket_of_another_type_is_not_taken) {
	int server = new_socket(SOCK_DGRAM);
	bind_to(server, "s");
	check_refused(LIVE);
	close(server);
	unlink("s");
}

TEST(what_is_no_socket_is_left_alone) {
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

TEST(the_owners_alone_under_any_umask) {
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

TEST(without_owner_only_the_umask_decides) {
	mode_t mask = umask(0);
	struct unix_path path;
	int fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&path, fd, "s", 16, false, NULL), 0);
	umask(mask);
	assert_int_equal(status_of("s").st_mode, S_IFSOCK | 0777);
	unix_path_remove(&path);
	close(fd);
}

TEST(a_successors_socket_is_not_removed) {
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

TEST(a_missing_directory_is_named) {
	struct unix_path path;
	struct echod_error error;
	int fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&path, fd, "none/s", 16, true, &error), -1);
	assert_string_equal(error.message, "cannot listen on 'none/s': No such file or directory");
	close(fd);
}

// A server that is bound and does not listen yet is not a stale one.
TEST(a_socket_about_to_listen_is_not_taken) {
	int server = new_socket(SOCK_STREAM);
	bind_to(server, "s");
	check_refused(LIVE);
	close(server);
	unlink("s");
}

// In a child, which is nobody: root may do more.
TEST(a_directory_that_cannot_be_read_will_do) {
	assert_int_equal(mkdir("d", 0700) | chmod(".", 0711), 0);
	assert_int_equal(chown("d", NOBODY, NOBODY), geteuid() == 0 ? 0 : -1);
	pid_t child = fork();
	if (child == 0) {
		if (geteuid() == 0 && setuid(NOBODY) != 0)
			_exit(1);
		struct unix_path path;
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool good = chmod("d", 0300) == 0 &&
			    unix_path_listen(&path, fd, "d/s", 16, true, NULL) == 0 &&
			    is_there("d/s");
		unix_path_remove(&path);
		_exit(good && !is_there("d/s") ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir("d"), 0);
}

// What others see of the socket behind `fd`, as ss(8) and /proc/net/unix have it.
static void check_seen(int fd, const char *name) {
	struct endpoint own = {.length = sizeof(own.as)};
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(getsockname(fd, &own.as.any, &own.length), 0);
	assert_string_equal(address_path_in(endpoint_format(&own, text)), name);
	FILE *table = fopen("/proc/net/unix", "re");
	assert_non_null(table);
	char line[256];
	bool found = false;
	while (!found && fgets(line, sizeof(line), table)) {
		line[strcspn(line, "\n")] = '\0';
		const char *end = strrchr(line, ' ');
		found = end && strcmp(end + 1, name) == 0;
	}
	fclose(table);
	assert_true(found);
}

TEST(a_name_has_no_file) {
	char name[ADDRESS_PATH_SIZE] = "";
	for (int longest = 0; longest < 2; longest++) {
		int end = snprintf(name, sizeof(name), "@echod-test-%d", (int)getpid());
		if (longest)
			memset(name + end, 'n', sizeof(name) - 1 - (size_t)end);
		struct unix_path path;
		int fd = claim(&path, name);
		assert_string_equal(path.path, name);
		assert_false(path.claimed);
		check_seen(fd, name);
		struct endpoint endpoint;
		assert_int_equal(endpoint_from_path(name, &endpoint, NULL), 0);
		int client = new_socket(SOCK_STREAM);
		assert_int_equal(connect(client, &endpoint.as.any, endpoint.length), 0);
		struct unix_path second;
		struct echod_error error;
		int rival = new_socket(SOCK_STREAM);
		assert_int_equal(unix_path_listen(&second, rival, name, 16, true, &error), -1);
		assert_contains(error.message, "': a live server has this name");
		unix_path_remove(&path);
		close(rival);
		close(client);
		close(fd); // and leave_directory sees that there was never a file
	}
}

TEST(a_file_may_begin_with_an_at) {
	struct unix_path path;
	int fd = claim(&path, "./@s");
	assert_true(is_there("@s"));
	unix_path_remove(&path);
	close(fd);
}
