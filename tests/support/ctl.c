// A client of the control protocol. One thread.
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "net/address.h"
#include "peer.h"

#define MAX_BODY (4 << 20)

static int try_connect(const char *path)
{
	struct endpoint server;
	assert_int_equal(endpoint_from_path(path, &server, NULL), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, &server.as.any, server.length) == 0)
		return fd;
	close(fd);
	return -1;
}

int ctl_connect(const char *path)
{
	int fd = try_connect(path);
	if (fd < 0)
		fail_msg("cannot connect to the control socket %s", path);
	return fd;
}

int ctl_is_live(const char *path)
{
	int fd = try_connect(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void ctl_send(int fd, const char *text)
{
	peer_send(fd, text, strlen(text));
}

int ctl_receive(int fd, char **body)
{
	char line[32];
	size_t length = 0;
	do {
		assert_true(length < sizeof(line) - 1);
		peer_receive(fd, &line[length], 1);
	} while (line[length++] != '\n');
	line[length] = '\0';
	int status, end = 0;
	unsigned size;
	if (sscanf(line, "%3d %u\n%n", &status, &size, &end) != 2 || (size_t)end != length)
		fail_msg("not a status line: '%s'", line);
	assert_true(line[3] == ' ' && line[4] >= '0' && line[4] <= '9');
	assert_true(size > 0 && size <= MAX_BODY);
	char *text = malloc(size + 1);
	assert_non_null(text);
	peer_receive(fd, text, size);
	text[size] = '\0';
	assert_int_equal(text[size - 1], '\n');
	assert_int_equal(strlen(text), size);
	if (body)
		*body = text;
	else
		free(text);
	return status;
}

int ctl_ask(int fd, const char *line, char **body)
{
	ctl_send(fd, line);
	ctl_send(fd, "\n");
	return ctl_receive(fd, body);
}

int ctl_request(const char *path, const char *line, char **body)
{
	int fd = ctl_connect(path);
	int status = ctl_ask(fd, line, body);
	close(fd);
	return status;
}
