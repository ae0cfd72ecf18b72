#include "socket_file.h"

#include <sys/socket.h>

char test_directory[32];
struct unix_path claimed;
int claimed_fd;

void enter_directory(void) {
	strcpy(test_directory, "/tmp/echod-test-XXXXXX");
	assert_true(mkdtemp(test_directory) && chdir(test_directory) == 0);
}

void leave_directory(void) {
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(test_directory), 0);
}

int new_socket(int type) {
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static struct endpoint endpoint_of(const char *path) {
	struct endpoint endpoint;
	assert_int_equal(endpoint_from_path(path, &endpoint, NULL), 0);
	return endpoint;
}

int try_connect(int fd, const char *path) {
	struct endpoint endpoint = endpoint_of(path);
	return connect(fd, &endpoint.as.any, endpoint.length);
}

void bind_to(int fd, const char *path) {
	struct endpoint endpoint = endpoint_of(path);
	assert_int_equal(bind(fd, &endpoint.as.any, endpoint.length), 0);
}

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

void claim(const char *path) {
	claimed_fd = new_socket(SOCK_STREAM);
	struct echod_error error;
	if (unix_path_listen(&claimed, claimed_fd, path, 16, true, &error) != 0)
		fail_msg("%s", error.message);
}

void give_up(void) {
	unix_path_remove(&claimed);
	close(claimed_fd);
}
