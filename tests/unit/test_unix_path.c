// Paths of Unix-domain sockets: net/unix_path. Each test has a directory of its own as working
// directory.
#include "expect.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "place.h"
#include "socket_file.h"

#define NOBODY 65534

static struct stat status_of(const char *path) {
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status;
}

static void check_refused_at(const char *name, const char *message) {
	struct unix_path path;
	struct echod_error error = {0};
	int fd = new_socket(SOCK_STREAM);
	int result = unix_path_listen(&path, fd, name, 16, true, &error);
	assert_string_equal(error.message, message);
	assert_error(result, &error, ECHOD_ERROR_SYSTEM, message);
	assert_false(path.claimed);
	unix_path_remove(&path);
	close(fd);
}

// Claiming 's' must fail with `message`, and leave the file there as it is.
static void check_refused(const char *message) {
	struct stat before = status_of("s");
	check_refused_at("s", message);
	struct stat after = status_of("s");
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_size, before.st_size);
}

AROUND_EACH(enter_directory, leave_directory);

TEST(is_there_while_claimed) {
	claim("s");
	check_refused(LIVE);
	assert_true(takes_connections("s"));
	unix_path_remove(&claimed);
	assert_false(place_exists("s"));
	give_up();
}

TEST(an_absolute_path_will_do) {
	claim(test_text("%s/s", test_directory));
	assert_true(takes_connections("s"));
	assert_int_equal(chdir("/"), 0);
	give_up();
	assert_int_equal(chdir(test_directory), 0);
	assert_false(place_exists("s"));
}

TEST(a_stale_socket_is_replaced) {
	leave_stale("s");
	assert_false(takes_connections("s"));
	claim("s");
	assert_true(takes_connections("s"));
	assert_int_equal(status_of("s").st_ino, claimed.inode);
	give_up();
	assert_false(place_exists("s"));
}

// A server whose backlog is full, one of another type, and one that does not listen yet.
TEST(a_socket_in_use_is_not_taken) {
	int server = new_socket(SOCK_STREAM);
	bind_to(server, "s");
	check_refused(LIVE);
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
	server = new_socket(SOCK_DGRAM);
	bind_to(server, "s");
	check_refused(LIVE);
	close(server);
	unlink("s");
}

static void check_left_alone(void) {
	check_refused("cannot listen on 's': it exists and is not a socket");
	assert_int_equal(remove("s"), 0);
}

TEST(a_file_that_is_no_socket_is_left_alone) {
	int file = open("s", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(write(file, "precious", 8), 8);
	close(file);
	assert_int_equal(status_of("s").st_size, 8);
	check_left_alone();
	assert_int_equal(mkdir("s", 0755), 0);
	check_left_alone();
	assert_int_equal(mkfifo("s", 0644), 0);
	check_left_alone();
	assert_int_equal(symlink("nowhere", "s"), 0);
	check_left_alone();
	assert_false(place_exists("nowhere"));
	leave_stale("elsewhere");
	assert_int_equal(symlink("elsewhere", "s"), 0);
	check_left_alone();
	assert_true(place_exists("elsewhere"));
	assert_int_equal(unlink("elsewhere"), 0);
}

TEST(the_owners_alone_under_any_umask_or_as_the_umask_says) {
	static const mode_t masks[] = {0, 022, 0777};
	for (size_t i = 0; i < COUNT_OF(masks); i++) {
		mode_t mask = umask(masks[i]);
		claim("s");
		umask(mask);
		assert_int_equal(status_of("s").st_mode, S_IFSOCK | (0600 & ~masks[i]));
		give_up();
	}
	mode_t mask = umask(0);
	claimed_fd = new_socket(SOCK_STREAM);
	assert_int_equal(unix_path_listen(&claimed, claimed_fd, "s", 16, false, NULL), 0);
	umask(mask);
	assert_int_equal(status_of("s").st_mode, S_IFSOCK | 0777);
	give_up();
}

TEST(a_successors_socket_is_not_removed) {
	claim("s");
	struct unix_path ours = claimed;
	int fd = claimed_fd;
	assert_int_equal(unlink("s"), 0);
	claim("s");
	unix_path_remove(&ours);
	assert_true(takes_connections("s"));
	close(fd);
	give_up();
	assert_false(place_exists("s"));
}

TEST(a_missing_directory_is_named) {
	check_refused_at("none/s", "cannot listen on 'none/s': No such file or directory");
}

// In a child of the user nobody: root may do more.
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
			    place_exists("d/s");
		unix_path_remove(&path);
		_exit(good && !place_exists("d/s") ? 0 : 1);
	}
	assert_int_equal(child_status(child), 0);
	assert_int_equal(rmdir("d"), 0);
}

// Others see that name of the socket, as in ss(8) and /proc/net/unix.
static void check_seen(int fd, const char *name) {
	struct endpoint own = {.length = sizeof(own.as)};
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(getsockname(fd, &own.as.any, &own.length), 0);
	assert_string_equal(address_path_in(endpoint_format(&own, text)), name);
	char line[256];
	const char *wanted = test_text(" %s\n", name);
	FILE *table = fopen("/proc/net/unix", "re");
	assert_non_null(table);
	bool found = false;
	while (!found && fgets(line, sizeof(line), table))
		found = strstr(line, wanted) != NULL;
	fclose(table);
	assert_true(found);
}

TEST(a_name_has_no_file) {
	char name[ADDRESS_PATH_SIZE] = "";
	for (int longest = 0; longest < 2; longest++) {
		int end = snprintf(name, sizeof(name), "@echod-test-%d", (int)getpid());
		if (longest)
			memset(name + end, 'n', sizeof(name) - 1 - (size_t)end);
		claim(name);
		assert_string_equal(claimed.path, name);
		assert_false(claimed.claimed);
		check_seen(claimed_fd, name);
		assert_true(takes_connections(name));
		check_refused_at(
			name,
			test_text("cannot listen on '%s': a live server has this name", name));
		give_up(); // and leave_directory sees that there was never a file
	}
}

TEST(a_file_may_begin_with_an_at) {
	claim("./@s");
	assert_true(place_exists("@s"));
	give_up();
}
