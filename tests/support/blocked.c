#include "blocked.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>
#include <termios.h>

#include "test.h"

#define FILLING '\0' // no program prints it

const char *const blocked_names[BLOCKED_KINDS] = {"pipe", "socket", "terminal"};

static void set_non_blocking(int fd, int on) {
	assert_int_equal(fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0), 0);
}

static void fill(int fd) {
	static const char bytes[4096] = {FILLING};
	set_non_blocking(fd, 1);
	for (size_t size = sizeof(bytes); size > 0; size /= 2)
		while (write(fd, bytes, size) > 0)
			;
	set_non_blocking(fd, 0);
}

void blocked_open(struct blocked *blocked, enum blocked_kind kind) {
	int fds[2], status;
	if (kind == BLOCKED_TERMINAL) {
		status = openpty(&fds[0], &fds[1], NULL, NULL, NULL);
		fcntl(fds[0], F_SETFD, FD_CLOEXEC);
		fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	} else if (kind == BLOCKED_PIPE) {
		status = pipe2(fds, O_CLOEXEC);
	} else {
		status = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
	}
	assert_int_equal(status, 0);
	*blocked = (struct blocked){.reader = fds[0], .writer = fds[1], .kind = kind};
	set_non_blocking(blocked->reader, 1);
	if (kind == BLOCKED_TERMINAL)
		assert_int_equal(tcflow(blocked->writer, TCOOFF), 0);
	else
		fill(blocked->writer);
}

void blocked_release(const struct blocked *blocked) {
	if (blocked->kind == BLOCKED_TERMINAL)
		assert_int_equal(tcflow(blocked->writer, TCOON), 0);
}

size_t blocked_read(const struct blocked *blocked, char *text, size_t length, size_t size) {
	char bytes[4096];
	ssize_t count;
	while ((count = read(blocked->reader, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < count; i++)
			if (bytes[i] != FILLING && length < size - 1)
				text[length++] = bytes[i];
	}
	text[length] = '\0';
	return length;
}

void blocked_close(struct blocked *blocked) {
	close(blocked->reader);
	close(blocked->writer);
}
