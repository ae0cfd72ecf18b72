// Opening connections.
#include "connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_flag(int fd, int level, int option)
{
	const int on = 1;
	return setsockopt(fd, level, option, &on, sizeof(on));
}

static int set_options(int fd, const struct load_config *config, int family)
{
	if (family == AF_UNIX)
		return 0;
	const struct linger reset = {.l_onoff = 1};
	if (set_flag(fd, IPPROTO_TCP, TCP_NODELAY) != 0)
		return -1;
	return config->mode == MODE_CHURN
		       ? setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))
		       : 0;
}

static int bind_source(int fd, const struct load_config *config, uint32_t id, int family)
{
	if (config->source_count == 0 || family == AF_UNIX)
		return 0;
	const struct endpoint *source =
		&config->sources[id / config->target_count % config->source_count];
	if (set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) != 0)
		return -1;
	return bind(fd, &source->as.any, source->length);
}

int connect_begin(const struct load_config *config, uint32_t id)
{
	const struct endpoint *target = &config->targets[id % config->target_count];
	int family = target->as.any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (set_options(fd, config, family) == 0 && bind_source(fd, config, id, family) == 0 &&
	    (connect(fd, &target->as.any, target->length) == 0 || errno == EINPROGRESS))
		return fd;
	int number = errno;
	close(fd);
	errno = number;
	return -1;
}

int connect_result(int fd)
{
	int number = 0;
	socklen_t size = sizeof(number);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
		return errno;
	if (number != 0)
		return number;
	struct endpoint peer = {.length = sizeof(peer.as)};
	return getpeername(fd, &peer.as.any, &peer.length) == 0 ? 0 : errno;
}
