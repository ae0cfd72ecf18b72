// Files that are written as a whole: tools/echoload/result/atomic_file.
#include "test.h"

#include <signal.h>
#include <sys/stat.h>

#include "echoload/result/atomic_file.h"
#include "place.h"

static void expect_text(const char *path, const char *wanted) {
	assert_string_equal(place_read(path), wanted);
}

static bool is_held(void) {
	sigset_t set;
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
	return sigismember(&set, SIGTERM);
}

struct filling {
	const char *path;
	bool complete;
};

// While it is written to memory the old file stays.
static int fill(FILE *file, const void *context) {
	const struct filling *filling = context;
	fputs("new", file);
	fflush(file);
	if (place_exists(filling->path) && strstr(filling->path, "/file"))
		expect_text(filling->path, "old");
	if (strstr(filling->path, "/taken")) // it cannot be renamed
		assert_true(is_held() && mkdir(filling->path, 0700) == 0);
	return filling->complete ? 0 : -1;
}

static int replace(const char *path, bool complete) {
	const struct filling filling = {path, complete};
	struct echod_error error;
	assert_int_equal(atomic_file_check(path, &error), 0);
	int status = atomic_file_write(path, fill, &filling, &error);
	assert_false(is_held());
	return status;
}

TEST(the_old_file_stays_until_the_new_one_is_complete) {
	struct stat status;
	const char *path = place_file("file", "old", 3);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(replace(path, true), 0);
	expect_text(path, "new");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0604);
	assert_int_equal(place_count(""), 1);
	path = place_file("file", "old", 3);
	assert_int_equal(replace(path, false), -1);
	expect_text(path, "old");
	assert_int_equal(place_count(""), 1);
	const char *fresh = place_path("fresh");
	assert_int_equal(replace(fresh, false), -1);
	assert_false(place_exists(fresh));
	assert_int_equal(replace(place_path("taken"), true), -1);
	assert_int_equal(place_count(""), 2);
	assert_int_equal(replace(fresh, true), 0);
	expect_text(fresh, "new");
}

TEST(what_is_no_regular_file_is_written_through) {
	struct stat status;
	const char *path = place_file("file", "old", 3);
	const char *link = place_path("link");
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(replace(link, true), 0);
	expect_text(path, "new");
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(place_count(""), 2);
	assert_int_equal(replace("/dev/null", true), 0);
	assert_int_equal(replace("/dev/full", true), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(stat("/dev/full", &status), 0);
	assert_true(S_ISCHR(status.st_mode));
}

static void expect_refusal(const char *path, int number) {
	struct echod_error error;
	assert_int_equal(atomic_file_check(path, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
	assert_contains(error.message, strerror(number));
}

TEST(what_cannot_be_written_is_known_before) {
	const char *file = place_file("file", "old", 3), *folder = place_path("folder"),
		   *inside = place_path("folder/file");
	assert_int_equal(mkdir(folder, 0700), 0);
	expect_refusal(folder, EISDIR);
	expect_refusal(place_path("folder/no/file"), ENOENT);
	expect_refusal(place_path("absent/"), ENOENT);
	expect_refusal(place_path("file/below"), ENOTDIR);
	struct echod_error error;
	assert_int_equal(atomic_file_check(inside, &error), 0);
	assert_int_equal(atomic_file_check("-", &error), 0);
	assert_int_equal(atomic_file_check("a file that is not there", &error), 0);
	assert_false(place_exists(inside));
	if (geteuid() == 0)
		return; // root may write everything
	assert_int_equal(chmod(file, 0400), 0);
	expect_refusal(file, EACCES);
	assert_int_equal(chmod(folder, 0500), 0);
	expect_refusal(inside, EACCES);
}
