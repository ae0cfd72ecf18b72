// Streams that hold up nobody: base/output, in children of the test.
#include "expect.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/output.h"
#include "base/signals.h"
#include "blocked.h"
#include "place.h"

#define MUCH ((size_t)1 << 20) // more than printing keeps without waiting

// Runs `body` in a child whose standard output is `fd`.
static pid_t start(int (*body)(void), int fd) {
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fd, STDOUT_FILENO);
		signals_open(NULL);
		output_take_standard();
		_exit(body());
	}
	return child;
}

static int run(int (*body)(void), int fd) { return child_status(start(body, fd)); }

// The same with its standard output blocked.
static int run_blocked(int (*body)(void), enum blocked_kind kind) {
	struct blocked blocked;
	blocked_open(&blocked, kind);
	int status = run(body, blocked.writer);
	blocked_close(&blocked);
	return status;
}

static void print_much(void) {
	for (size_t i = 0; i < MUCH / 16; i++)
		printf("%15zu\n", i);
}

static int print_and_finish(void) {
	print_much();
	return output_finish(stdout);
}

static int print_and_finish_again(void) {
	return print_and_finish() == ENOSPC ? output_finish(stdout) : -1;
}

static int print_while_held(void) {
	output_hold(true);
	print_much();
	return output_is_behind(stdout) ? output_finish(stdout) : 1;
}

static int print_after_a_signal(void) {
	signals_heed(1);
	kill(getpid(), SIGTERM);
	return print_and_finish();
}

TEST(all_output_arrives_in_order) {
	for (enum blocked_kind kind = 0; kind < BLOCKED_KINDS; kind++) {
		static char text[2 * MUCH];
		struct blocked blocked;
		blocked_open(&blocked, kind);
		pid_t child = start(print_and_finish, blocked.writer);
		blocked_release(&blocked);
		size_t length = 0;
		int status = -1;
		while (waitpid(child, &status, WNOHANG) == 0)
			length = blocked_read(&blocked, text, length, sizeof(text));
		(void)blocked_read(&blocked, text, length, sizeof(text));
		assert_int_equal(status, 0);
		char *at = text;
		for (size_t i = 0; i < MUCH / 16; i++)
			assert_int_equal(strtoul(at, &at, 10), i);
		assert_int_equal(strspn(at, "\r\n"), strlen(at));
		blocked_close(&blocked);
	}
}

TEST(nothing_waits_while_it_is_held_or_for_long_after_a_signal) {
	for (enum blocked_kind kind = 0; kind < BLOCKED_KINDS; kind++) {
		assert_int_equal(run_blocked(print_while_held, kind), 0);
		assert_int_equal(run_blocked(print_after_a_signal, kind), EINTR);
	}
}

TEST(the_reason_of_a_failure_is_kept) {
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int unwritable = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(run(print_and_finish, ends[1]), EPIPE);
	assert_int_equal(run(print_and_finish, full), ENOSPC);
	assert_int_equal(run(print_and_finish_again, full), 0); // nothing has failed since
	assert_int_equal(run(print_and_finish, unwritable), EBADF);
	close(ends[1]);
	close(full);
	close(unwritable);
}

TEST(a_file_of_its_own_is_appended_to) {
	const char *path = place_file("file", "before\n", 7);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(run(print_and_finish, fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 7 + MUCH);
	close(fd);
}

// Writing to a FIFO that is not read never waits, closing it does.
static int print_to_a_fifo(void) {
	FILE *file = output_fopen(place_path("fifo"));
	signals_heed(1);
	for (size_t i = 0; i < MUCH / 16 && file; i++)
		fprintf(file, "%15zu\n", i);
	kill(getpid(), SIGTERM);
	return file && !ferror(file) && fclose(file) != 0 ? errno : 0;
}

TEST(a_fifo_that_is_not_read_is_given_up) {
	const char *path = place_path("fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(run(print_to_a_fifo, STDOUT_FILENO), EINTR);
	close(reader);
}
