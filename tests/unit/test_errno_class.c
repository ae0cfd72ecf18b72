// Every errno that accept(2), recv(2) and send(2) list, and its class: net/errno_class.
#include "test.h"

#include "net/errno_class.h"

struct expected {
	int number;
	enum errno_class class;
};

static const struct expected expectations[] = {
	{EAGAIN, ERRNO_TRY_AGAIN},
	{EWOULDBLOCK, ERRNO_TRY_AGAIN},
	{EINTR, ERRNO_INTERRUPTED},
	// The peer.
	{ECONNABORTED, ERRNO_PEER_GONE},
	{ECONNRESET, ERRNO_PEER_GONE},
	{EPIPE, ERRNO_PEER_GONE},
	{ENOTCONN, ERRNO_PEER_GONE},
	{ETIMEDOUT, ERRNO_TIMED_OUT},
	// accept(2): "already-pending network errors on the new socket … treat them like EAGAIN".
	{ENETDOWN, ERRNO_NETWORK},
	{EPROTO, ERRNO_NETWORK},
	{ENOPROTOOPT, ERRNO_NETWORK},
	{EHOSTDOWN, ERRNO_NETWORK},
	{ENONET, ERRNO_NETWORK},
	{EHOSTUNREACH, ERRNO_NETWORK},
	{EOPNOTSUPP, ERRNO_NETWORK},
	{ENETUNREACH, ERRNO_NETWORK},
	{EPERM, ERRNO_NETWORK},
	// Resources.
	{EMFILE, ERRNO_NO_DESCRIPTORS},
	{ENFILE, ERRNO_NO_DESCRIPTORS},
	{ENOBUFS, ERRNO_NO_MEMORY},
	{ENOMEM, ERRNO_NO_MEMORY},
	// A bug of ours.
	{EBADF, ERRNO_OUR_FAULT},
	{EFAULT, ERRNO_OUR_FAULT},
	{EINVAL, ERRNO_OUR_FAULT},
	{ENOTSOCK, ERRNO_OUR_FAULT},
	{EDESTADDRREQ, ERRNO_OUR_FAULT},
	{EISCONN, ERRNO_OUR_FAULT},
	{EMSGSIZE, ERRNO_OUR_FAULT},
	{EACCES, ERRNO_OUR_FAULT},
	{EALREADY, ERRNO_OUR_FAULT},
	{0, ERRNO_OUR_FAULT},
	{-1, ERRNO_OUR_FAULT},
	{100000, ERRNO_OUR_FAULT},
};

TEST(each_has_its_class) {
	for (size_t i = 0; i < COUNT_OF(expectations); i++) {
		enum errno_class class = errno_classify(expectations[i].number);
		if (class != expectations[i].class)
			fail_msg("errno %d has class %d, not %d", expectations[i].number, class,
				 expectations[i].class);
	}
}
