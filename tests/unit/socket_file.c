// Unix-domain sockets in a directory of the test's own.
#include "socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

char test_directory[32];

void enter_directory(void) {
	strcpy(test_directory, "/tmp/echod-test-XXXXXX");
	assert_true(mkdtemp(test_directory) && chdir(test_directory) == 0);
}

// Fails when the test has left something behind.
void leave_directory(void) {
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(test_directory), 0);
}

int new_socket(int type) {
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static struct sockaddr_un address_of(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	return address;
}

int try_connect(int fd, const char *path) {
	struct sockaddr_un address = address_of(path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

void bind_to(int fd, const char *path) {
	struct sockaddr_un address = address_of(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

// A socket file that nobody listens on any more.
void leave_stale(const char *path) {
	int fd = new_socket(SOCK_STREAM);
	bind_to(fd, path);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
}

bool takes_connections(const char *path) {
	int fd = new_socket(SOCK_STREAM);
	bool connected = try_connect(fd, path) == 0;
	close(fd);
	return connected;
}

bool is_there(const char *path) {
	struct stat status;
	return lstat(path, &status) == 0;
}

int claim(struct unix_path *claim, const char *path) {
	int fd = new_socket(SOCK_STREAM);
	struct echod_error error;
	if (unix_path_listen(claim, fd, path, 16, true, &error) != 0)
		fail_msg("%s", error.message);
	return fd;
}
