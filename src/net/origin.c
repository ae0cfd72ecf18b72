#include "net/origin.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

const char *conn_peer_text(const struct conn_origin *origin, char *text)
{
	if (origin->peer.any.sa_family != AF_UNIX)
		return inet_end_format(&origin->peer, text);
	snprintf(text, ADDRESS_TEXT_SIZE, "unix user %" PRIu32, origin->peer_user);
	return text;
}

const char *conn_local_text(const struct conn_origin *origin, char *text)
{
	return origin->local.any.sa_family == AF_UNIX ? origin->local_name
						      : inet_end_format(&origin->local, text);
}
