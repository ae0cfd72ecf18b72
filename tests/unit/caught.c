#include "caught.h"

#include <sys/mman.h>

#include "test.h"

// Puts a file in the place of the descriptor. Returns the one that was there.
static int redirect(int fd, int file) {
	int saved = dup(fd);
	assert_true(saved >= 0);
	assert_int_equal(dup2(file, fd), fd);
	return saved;
}

static void restore(int fd, int saved, int file, char *text, size_t size) {
	assert_int_equal(dup2(saved, fd), fd);
	close(saved);
	ssize_t length = pread(file, text, size - 1, 0);
	assert_true(length >= 0);
	text[length] = '\0';
	close(file);
}

struct caught caught_from(int (*function)(void *context), void *context) {
	struct caught caught;
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	fflush(stdout);
	int saved_out = redirect(STDOUT_FILENO, out);
	int saved_err = redirect(STDERR_FILENO, err);
	caught.status = function(context);
	fflush(stdout);
	restore(STDOUT_FILENO, saved_out, out, caught.out, sizeof(caught.out));
	restore(STDERR_FILENO, saved_err, err, caught.err, sizeof(caught.err));
	return caught;
}
