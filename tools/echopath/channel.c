#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "net/errno_class.h"

void channel_open(struct channel *channel, int fd)
{
	const int on = 1, seconds = 5; // between probes; nine without an answer are the end
	*channel = (struct channel){.fd = fd};
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); // for sending
	// A pair of sockets within a machine does without the rest.
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
}

char *channel_read(struct channel *channel)
{
	char *end;
	channel->length -= channel->used;
	memmove(channel->bytes, channel->bytes + channel->used, channel->length);
	channel->used = 0;
	while (!(end = memchr(channel->bytes, '\n', channel->length))) {
		size_t room = sizeof(channel->bytes) - channel->length;
		ssize_t got =
			recv(channel->fd, channel->bytes + channel->length, room, MSG_DONTWAIT);
		if (got <= 0) {
			if (got == 0)
				channel->lost = "it was closed";
			else if (errno_classify(errno) > ERRNO_INTERRUPTED)
				channel->lost = error_text(errno);
			return NULL;
		}
		channel->length += (size_t)got;
	}
	*end = '\0';
	channel->used = (size_t)(end - channel->bytes) + 1;
	return channel->bytes;
}

void channel_send(struct channel *channel, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (!channel->lost && vdprintf(channel->fd, format, arguments) < 0)
		channel->lost = error_text(errno);
	va_end(arguments);
}

#define NUMBER(name) " %" PRIu64
#define VALUE(name) , (uint64_t)end->name
#define TAKE(name) end->name = (__typeof__(end->name))strtoull(text, &text, 10);

void channel_write_orders(const struct end *end, char *line)
{
	snprintf(line, END_LINE, "end %u" END_ORDERS(NUMBER) "\n", end->id END_ORDERS(VALUE));
}

void channel_write_facts(const struct end *end, char *line)
{
	snprintf(line, END_LINE, "state %u %s" END_FACTS(NUMBER) "\n", end->id,
		 end->peer END_FACTS(VALUE));
}

void channel_read_orders(struct end *end, char *text)
{
	END_ORDERS(TAKE)
}

void channel_read_facts(struct end *end, char *text)
{
	END_FACTS(TAKE)
}
