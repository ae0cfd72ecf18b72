// Where echod's log goes: echod/logger. Standard error is a pipe of the test meanwhile.
#include "expect.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "echod/logger.h"
#include "place.h"

#define LINES 2000
#define WRITERS 4

static int kept_stderr, pipe_fds[2];
static char longest[512]; // the longest line of the log, all of it to be escaped

static void stderr_to(int fd) { assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO); }

BEFORE_EACH {
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	assert_true(kept_stderr >= 0 && pipe2(pipe_fds, O_CLOEXEC) == 0);
	memset(longest, '"', sizeof(longest) - 1);
}

AFTER_EACH {
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static struct logger logger;

// Until end_log, `fd` is standard error.
static void begin_log(int fd, enum logger_format format) {
	stderr_to(fd);
	logger_open(&logger, format);
}

static void end_log(void) {
	logger_close(&logger);
	stderr_to(kept_stderr);
}

static int write_line(const char *line) {
	return logger_write(&logger,
			    &(struct echod_log_entry){ECHOD_LOG_INFO, "tried", line, NULL, 0});
}

// Writes one entry to a new logger on the pipe and returns what arrives.
static const char *logged_entry(enum logger_format format, const struct echod_log_entry *entry) {
	static char text[4096];
	begin_log(pipe_fds[1], format);
	assert_int_equal(logger_write(&logger, entry), 1);
	end_log();
	ssize_t length = read(pipe_fds[0], text, sizeof(text) - 1);
	assert_true(length > 0 && text[length - 1] == '\n');
	text[length - 1] = '\0';
	assert_null(strchr(text, '\n'));
	return text;
}

// The member of that name, a string.
static const char *text_in(const json_t *object, const char *name) {
	return json_string_value(json_object_get(object, name));
}

static json_t *logged_object(const struct echod_log_entry *entry) {
	return json_from(logged_entry(LOGGER_JSON, entry));
}

static const char *logged(enum echod_log_level level, const char *line) {
	return logged_entry(LOGGER_TEXT, &(struct echod_log_entry){level, "tried", line, NULL, 0});
}

static void expect_match(const char *text, const char *pattern) {
	if (!matches(text, pattern))
		fail_msg("'%s' is not like '%s'", text, pattern);
}

#define TIME "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z"

TEST(text_has_time_level_and_message) {
	expect_match(logged(ECHOD_LOG_ERROR, "a \"b\" \\c"), "^" TIME " error   a \"b\" \\\\c$");
	expect_match(logged(ECHOD_LOG_WARNING, "x"), "^" TIME " warning x$");
	expect_match(logged(ECHOD_LOG_INFO, "x"), "^" TIME " info    x$");
	expect_match(logged(ECHOD_LOG_DEBUG, ""), "^" TIME " debug   $");
}

TEST(the_time_is_that_of_the_clock_in_utc) {
	struct timespec before, after; // time(2) may lag behind this clock
	clock_gettime(CLOCK_REALTIME, &before);
	const char *text = logged(ECHOD_LOG_INFO, "x");
	clock_gettime(CLOCK_REALTIME, &after);
	struct tm parts = {0};
	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%S", &parts));
	time_t given = timegm(&parts);
	assert_in_range(given, before.tv_sec, after.tv_sec);
}

TEST(json_is_an_object_a_line) {
	const char *const *line =
		STRINGS("plain", "", "say \"hello\" \\ \\x0A", "100%n %s", longest);
	for (; *line; line++) {
		json_t *object = logged_object(
			&(struct echod_log_entry){ECHOD_LOG_WARNING, "tried", *line, NULL, 0});
		assert_int_equal(json_object_size(object), 4);
		assert_string_equal(text_in(object, "event"), "tried");
		assert_string_equal(text_in(object, "message"), *line);
		assert_string_equal(text_in(object, "level"), "warning");
		expect_match(text_in(object, "time"), "^" TIME "$");
	}
}

// Any bytes may come from a path or a host: the line is one object, with all of its fields.
TEST(json_has_the_fields) {
	static const char *const cases[][2] = {
		{"127.0.0.1:5000", "127.0.0.1:5000"}, {"", ""},
		{"unix:/a\"b\\c", "unix:/a\"b\\c"},   {"\x01\n\x1b\x7f", "\x01\n\x1b\x7f"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},	      {"caf\xe9", "caf\\xE9"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct echod_log_field fields[] = {{"connection", NULL, UINT64_C(1) << 53},
							 {"peer", cases[i][0], 0}};
		json_t *object = logged_object(&(struct echod_log_entry){
			ECHOD_LOG_DEBUG, "closed", longest, fields, COUNT_OF(fields)});
		assert_int_equal(json_object_size(object), 6);
		assert_int_equal(json_integer_value(json_object_get(object, "connection")),
				 INT64_C(1) << 53);
		assert_string_equal(text_in(object, "peer"), cases[i][1]);
	}
}

// Part of an object is none: a line that does not fit is dropped as a whole.
TEST(json_that_does_not_fit_is_dropped) {
	static char long_text[5000];
	memset(long_text, 'x', sizeof(long_text) - 1);
	begin_log(pipe_fds[1], LOGGER_JSON);
	int taken = write_line(long_text);
	int after = write_line("x");
	end_log();
	char text[8192];
	ssize_t length = read(pipe_fds[0], text, sizeof(text));
	assert_int_equal(taken, 0);
	assert_int_equal(after, 1);
	assert_in_range(length, 1, 200);
}

// Logs until the pipe takes no more; returns how many lines it took.
static unsigned fill(void) {
	unsigned taken = 0;
	while (taken < 100000 && write_line("a line of the log") == 1)
		taken++;
	return taken;
}

TEST(a_full_pipe_drops_lines_and_does_not_block) {
	begin_log(pipe_fds[1], LOGGER_TEXT);
	unsigned taken = fill();
	int dropped = write_line("one more");
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	char text[8192];
	ssize_t length = read(pipe_fds[0], text, sizeof(text)); // room again
	int again = write_line("and on");
	end_log();
	assert_true(taken > 100 && taken < 100000);
	assert_int_equal(dropped, 0);
	assert_int_equal(flags & O_NONBLOCK, 0); // for all that share it
	assert_true(length > 0);
	assert_int_equal(again, 1);
}

TEST(a_full_socket_drops_lines_and_does_not_block) {
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	begin_log(pair[1], LOGGER_TEXT); // it cannot be opened again
	int fd = logger.output.fd;
	unsigned taken = fill();
	end_log();
	assert_int_equal(fd, STDERR_FILENO);
	assert_true(taken > 10 && taken < 100000);
	close(pair[0]);
	close(pair[1]);
}

TEST(without_a_reader_or_standard_error_lines_are_dropped) {
	signal(SIGPIPE, SIG_IGN); // as echod does
	begin_log(pipe_fds[1], LOGGER_TEXT);
	close(pipe_fds[0]);
	pipe_fds[0] = -1;
	int unread = write_line("x");
	end_log();
	close(STDERR_FILENO);
	logger_open(&logger, LOGGER_TEXT);
	int taken = write_line("x");
	end_log();
	assert_int_equal(unread, 0);
	assert_int_equal(taken, 0);
}

// A file that others append to as well must not be opened again: we would write over their lines.
TEST(a_file_is_written_through_the_descriptor_given) {
	const char *path = place_path("log");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "before\n", 7), 7);
	begin_log(fd, LOGGER_TEXT);
	int ours = logger.output.fd;
	int taken = write_line("x");
	end_log();
	char text[200] = "";
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	assert_int_equal(ours, STDERR_FILENO);
	assert_int_equal(taken, 1);
	expect_match(text, "^before\n" TIME " info    x\n$");
}

static void *write_lines(void *line) {
	for (int i = 0; i < LINES; i++)
		write_line(line);
	return NULL;
}

TEST(lines_of_several_threads_do_not_mix) {
	static char lines[WRITERS][101];
	pthread_t writers[WRITERS];
	const char *path = place_path("log");
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	begin_log(fd, LOGGER_TEXT);
	for (int i = 0; i < WRITERS; i++) {
		memset(lines[i], 'a' + i, 100);
		writers[i] = thread_begin(write_lines, lines[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		thread_end(writers[i]);
	end_log();
	close(fd);
	FILE *file = fopen(path, "re");
	char text[300];
	int count = 0;
	for (; fgets(text, sizeof(text), file); count++) {
		char *message = strstr(text, " info    ") + 9;
		assert_int_equal(strspn(message, (char[]){message[0], '\0'}), 100);
		assert_string_equal(message + 100, "\n");
	}
	fclose(file);
	assert_int_equal(count, WRITERS * LINES);
}
