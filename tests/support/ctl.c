#include "ctl.h"

#include <sys/socket.h>

#include "net/address.h"
#include "peer.h"
#include "test.h"

#define MAX_BODY ((size_t)256 << 20)

int ctl_try_connect(const char *path) {
	struct endpoint server;
	assert_int_equal(endpoint_from_path(path, &server, NULL), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, &server.as.any, server.length) == 0)
		return fd;
	close(fd);
	return -1;
}

int ctl_connect(const char *path) {
	int fd = ctl_try_connect(path);
	if (fd < 0)
		fail_msg("cannot connect to the control socket %s", path);
	return fd;
}

int ctl_is_live(const char *path) {
	int fd = ctl_try_connect(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void ctl_send(int fd, const char *text) { peer_send(fd, text, strlen(text)); }

static void receive_line(int fd, char *line, size_t size) {
	size_t length = 0;
	do {
		assert_true(length < size - 1);
		peer_receive(fd, &line[length], 1);
	} while (line[length++] != '\n');
	line[length] = '\0';
}

// A line that is a number of bytes alone, or the end of a status line.
static size_t parse_length(const char *text) {
	unsigned length;
	int end = 0;
	if (sscanf(text, "%9u\n%n", &length, &end) != 1 || text[end] || *text < '0' || *text > '9')
		fail_msg("not a length: '%s'", text);
	return length;
}

// Appends `length` bytes to `text`, which has `size` already.
static char *receive_piece(int fd, char *text, size_t size, size_t length) {
	assert_true(size + length <= MAX_BODY);
	text = realloc(text, size + length + 1);
	assert_non_null(text);
	peer_receive(fd, text + size, length);
	text[size + length] = '\0';
	return text;
}

int ctl_receive(int fd, char **body) {
	char line[32];
	receive_line(fd, line, sizeof(line));
	int status;
	if (sscanf(line, "%3d ", &status) != 1 || line[3] != ' ')
		fail_msg("not a status line: '%s'", line);
	bool in_pieces = strcmp(&line[4], "*\n") == 0;
	char *text = NULL;
	size_t size = 0;
	do {
		if (in_pieces)
			receive_line(fd, line, sizeof(line));
		size_t length = parse_length(in_pieces ? line : &line[4]);
		in_pieces = in_pieces && length > 0;
		text = receive_piece(fd, text, size, length);
		size += length;
	} while (in_pieces);
	assert_true(size > 0 && text[size - 1] == '\n');
	assert_int_equal(strlen(text), size);
	if (body)
		*body = text;
	else
		free(text);
	return status;
}

int ctl_ask(int fd, const char *line, char **body) {
	ctl_send(fd, line);
	ctl_send(fd, "\n");
	return ctl_receive(fd, body);
}

int ctl_request(const char *path, const char *line, char **body) {
	int fd = ctl_connect(path);
	int status = ctl_ask(fd, line, body);
	close(fd);
	return status;
}
