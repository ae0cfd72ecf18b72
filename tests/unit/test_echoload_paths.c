// Which files are the same, and the labels that distinguish them: tools/echoload/common/paths.
#include <fcntl.h>
#include <sys/stat.h>

#include "echoload/common/paths.h"
#include "place.h"
#include "process.h"

BEFORE_EACH {
	place_file("a", "x", 1);
	place_file("z", "x", 1);
	assert_int_equal(
		mkdir(place_path("sub"), 0700) | link(place_path("a"), place_path("hard")) |
			symlink("a", place_path("soft")) | symlink("../a", place_path("sub/soft")) |
			symlink("new", place_path("dangling")) |
			symlink("../new", place_path("sub/dang")) |
			symlink(place_path("new"), place_path("absolute")) |
			symlink("loop", place_path("loop")) | mkfifo(place_path("fifo"), 0600) |
			chdir(place_path(".")),
		0);
}

AFTER_EACH { assert_int_equal(chdir("/"), 0); }

// Asserts of each of `others` whether it is the same file as `path`.
static void assert_same(bool same, const char *path, const char *const *others) {
	for (; *others; others++)
		if (paths_same(path, *others) != same || paths_same(*others, path) != same)
			fail_msg("%s and %s", path, *others);
}

TEST(a_file_is_known_however_it_is_written) {
	assert_same(true, "a", STRINGS("a", "./a", "sub/../a", "hard", "soft", "sub/soft"));
	assert_same(false, "a", STRINGS("z", "new"));
	assert_same(true, "fifo", STRINGS("./fifo"));
	assert_same(true, "new",
		    STRINGS("./new", "sub/../new", "dangling", "sub/dang", "absolute",
			    place_path("new")));
	assert_same(false, "new", STRINGS("sub/new", "newer"));
	assert_same(false, "loop", STRINGS("loop"));
	assert_same(false, "no/folder", STRINGS("no/folder"));
	assert_same(false, "/dev/null", STRINGS("/dev/null"));
	assert_same(true, "/dev/full", STRINGS("/dev/full"));
}

// With standard output on `path`: whether `given` is taken for it.
static bool is_standard(const char *path, const char *given) {
	int before = dup(STDOUT_FILENO);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(before >= 0 && fd >= 0);
	fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	bool standard = strcmp(paths_output(given), "-") == 0;
	assert_int_equal(dup2(before, STDOUT_FILENO), STDOUT_FILENO);
	close(before);
	close(fd);
	return standard;
}

TEST(standard_output_has_many_names) {
	const char *const *name = STRINGS("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1");
	for (; *name; name++)
		assert_true(is_standard("a", *name) && is_standard("fifo", *name));
	assert_true(is_standard("a", "hard") && is_standard("fifo", "fifo"));
	assert_false(is_standard("a", "z"));
	assert_false(is_standard("a", "new"));
	// What is written there is lost, and mixes with nothing.
	assert_false(is_standard("/dev/null", "/dev/null"));
}

TEST(what_is_read_is_not_written) {
	static const char *const inputs[] = {"z", "sub/soft"};
	static const char *const taken[] = {"a", "hard", "./z"};
	struct echod_error error;
	for (size_t i = 0; i < COUNT_OF(taken); i++) {
		assert_int_equal(inputs_check(&(struct inputs){taken[i], inputs, 2}, &error), -1);
		assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
		assert_contains(error.message, inputs[i < 2]);
	}
	assert_int_equal(inputs_check(&(struct inputs){"new", inputs, 2}, NULL), 0);
	assert_int_equal(inputs_check(&(struct inputs){"fifo", STRINGS("fifo"), 1}, NULL), 0);
}

TEST(labels_are_short_and_differ) {
	static const struct {
		const char *paths[3], *names[3];
	} cases[] = {
		{{"a/run.json"}, {"run"}},
		{{"x/one.json", "x/two.json"}, {"one", "two"}},
		{{"before/run.json", "after/run.json"}, {"before/run", "after/run"}},
		{{"d/a/x/run.json", "d/b/x/run.json", "d/c/fast.json"},
		 {"a/x/run", "b/x/run", "c/fast"}},
		{{"run.json", "./run.json"}, {"run", "./run"}},
		{{"/run.json", "run.json"}, {"/run", "run"}},
		{{".json"}, {".json"}},
		{{"prerun.json", "run.json"}, {"prerun", "run"}},
		{{"run.json", "run"}, {"run.json", "run"}},
		{{"d/run.json", "d/run.json"}, {"run", "run"}},
		{{"a<b.json", "a>b.json", "a\n\xc3.json"}, {"a<b", "a>b", "a??"}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t count = 1;
		while (count < 3 && cases[i].paths[count])
			count++;
		char names[3][PATHS_LABEL];
		paths_label(cases[i].paths, count, names);
		for (size_t j = 0; j < count; j++)
			assert_string_equal(names[j], cases[i].names[j]);
	}
}

TEST(of_a_long_label_the_end_is_kept) {
	char names[2][PATHS_LABEL];
	paths_label(STRINGS(test_text("%0150dx1.json", 0),
			    test_text("%0*dx2.json", PATHS_LABEL - 2, 0)),
		    2, names);
	assert_string_equal(&names[0][PATHS_LABEL - 3], "x1");
	assert_string_equal(&names[1][PATHS_LABEL - 3], "x2");
}
