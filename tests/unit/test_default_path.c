// The default control socket: control/default_path. The user and that user's directory in /tmp are
// made up: a directory of the test stands in for it.
#include "expect.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "control/default_path.h"

#define USER 4242424
#define PRIVATE "/tmp/echod-4242424"
#define SOCKET PRIVATE "/echod.sock"

static uid_t user, owner;  // the latter of what lstat finds in place of PRIVATE
static char stand_in[100]; // for PRIVATE
static const char *there;  // a socket that exists; NULL: none

WRAP(int, access, (const char *path, int mode)) {
	if (strcmp(path, PRIVATE) != 0)
		return there && strcmp(path, there) == 0 ? 0 : -1;
	return __real_access(stand_in, mode);
}

WRAP(uid_t, geteuid, (void)) { return user; }

WRAP(int, lstat, (const char *path, struct stat *status)) {
	assert_string_equal(path, PRIVATE);
	int result = __real_lstat(stand_in, status);
	status->st_uid = owner;
	return result;
}

WRAP(int, mkdir, (const char *path, mode_t mode)) {
	assert_string_equal(path, PRIVATE);
	return __real_mkdir(stand_in, mode);
}

BEFORE_EACH {
	strcpy(stand_in, "/tmp/echod-test-XXXXXX");
	assert_non_null(mkdtemp(stand_in));
	strcat(stand_in, "/private");
	user = owner = USER;
	there = NULL;
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
}

AFTER_EACH {
	*strstr(stand_in, "/private") = '\0';
	assert_int_equal(rmdir(stand_in), 0);
}

static void check_path(bool create, const char *expected) {
	char path[108];
	struct echod_error error;
	if (control_default_path(path, sizeof(path), create, &error) != 0)
		fail_msg("%s", error.message);
	assert_string_equal(path, expected);
}

// For a client and for a server.
static void check_both(const char *expected) {
	check_path(false, expected);
	check_path(true, expected);
}

static void check_refused(bool create, const char *message) {
	char path[108];
	struct echod_error error = {0};
	assert_error(control_default_path(path, sizeof(path), create, &error), &error,
		     ECHOD_ERROR_SYSTEM, message);
}

static void check_no_private(void) {
	check_refused(true, "'" PRIVATE "' is not a private directory of this user (mode 0700)");
	check_refused(false, "is not a private directory");
}

TEST(the_path_depends_on_runtime_directory_and_user) {
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	check_both("/run/user/7/echod.sock");
	user = 0;
	check_path(true, "/run/user/7/echod.sock");
	// One that is not absolute does not count.
	user = USER;
	setenv("XDG_RUNTIME_DIR", "", 1);
	check_path(false, SOCKET);
	setenv("XDG_RUNTIME_DIR", "here", 1);
	check_path(false, SOCKET);
	// Root's is in /run.
	unsetenv("XDG_RUNTIME_DIR");
	user = 0;
	check_both("/run/echod.sock");
}

TEST(a_client_that_finds_none_looks_where_the_service_has_its_socket) {
	there = "/run/echod/echod.sock";
	check_path(false, there);
	user = 0;
	check_path(false, there);
	check_path(true, "/run/echod.sock");
	there = "/run/echod.sock";
	check_path(false, there);
}

TEST(a_path_too_long_is_refused) {
	char runtime[120];
	memset(runtime, '/', sizeof(runtime) - 1);
	runtime[107 - strlen("/echod.sock")] = '\0';
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	char path[108];
	assert_int_equal(control_default_path(path, sizeof(path), true, NULL), 0);
	strcat(runtime, "/");
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	check_refused(true, "the path of the control socket is too long: ");
}

TEST(a_client_makes_no_directory_and_a_server_its_users) {
	check_path(false, SOCKET);
	assert_int_equal(__real_access(stand_in, F_OK), -1);
	mode_t mask = umask(0);
	check_path(true, SOCKET);
	umask(mask);
	struct stat status;
	assert_int_equal(__real_lstat(stand_in, &status), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 0700);
	check_both(SOCKET);
	assert_int_equal(rmdir(stand_in), 0);
}

TEST(a_directory_of_another_user_or_open_to_others_is_refused) {
	static const mode_t modes[] = {0701, 0710, 0720, 0777};
	assert_int_equal(__real_mkdir(stand_in, 0700), 0);
	owner = USER + 1;
	check_no_private();
	owner = 0;
	check_no_private();
	owner = USER;
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		assert_int_equal(chmod(stand_in, modes[i]), 0);
		check_no_private();
	}
	assert_int_equal(rmdir(stand_in), 0);
}

TEST(a_file_that_is_no_directory_is_refused) {
	assert_int_equal(symlink("/", stand_in), 0);
	check_no_private();
	assert_int_equal(unlink(stand_in), 0);
	close(open(stand_in, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	check_no_private();
	assert_int_equal(unlink(stand_in), 0);
}

TEST(a_directory_that_cannot_be_made_is_named) {
	strcat(stand_in, "/deeper");
	check_refused(true, "cannot make the directory '" PRIVATE "': No such file or directory");
}
