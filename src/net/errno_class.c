#include "net/errno_class.h"

#include <errno.h>

enum errno_class errno_classify(int number)
{
	switch (number) {
	case EAGAIN:
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
		return ERRNO_TRY_AGAIN;
	case EINTR:
		return ERRNO_INTERRUPTED;
	case ECONNRESET:
	case EPIPE:
	case ECONNABORTED:
	case ENOTCONN: // the peer left between accept and the first call
		return ERRNO_PEER_GONE;
	case ETIMEDOUT:
		return ERRNO_TIMED_OUT;
	case EPROTO:
	case ENETDOWN:
	case ENETUNREACH:
	case ENETRESET:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case EOPNOTSUPP:
	case EPERM: // accept(2): firewall rules forbid the connection
		return ERRNO_NETWORK;
	case EMFILE:
	case ENFILE:
		return ERRNO_NO_DESCRIPTORS;
	case ENOBUFS:
	case ENOMEM:
		return ERRNO_NO_MEMORY;
	default:
		return ERRNO_OUR_FAULT;
	}
}
