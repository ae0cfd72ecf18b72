// Every errno that accept(2), recv(2) and send(2) list, and its class: net/errno_class.
#include "test.h"

#include "net/errno_class.h"

static const struct expectation {
	enum errno_class class;
	int numbers[12]; // 0 ends them
} expectations[] = {
	{ERRNO_TRY_AGAIN, {EAGAIN, EWOULDBLOCK}},
	{ERRNO_INTERRUPTED, {EINTR}},
	// The peer.
	{ERRNO_PEER_GONE, {ECONNABORTED, ECONNRESET, EPIPE, ENOTCONN}},
	{ERRNO_TIMED_OUT, {ETIMEDOUT}},
	// accept(2): "already-pending network errors on the new socket … treat them like EAGAIN".
	{ERRNO_NETWORK, {ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET}},
	{ERRNO_NETWORK, {EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, EPERM}},
	// Resources.
	{ERRNO_NO_DESCRIPTORS, {EMFILE, ENFILE}},
	{ERRNO_NO_MEMORY, {ENOBUFS, ENOMEM}},
	// A bug of ours.
	{ERRNO_OUR_FAULT, {EBADF, EFAULT, EINVAL, ENOTSOCK, EDESTADDRREQ, EISCONN}},
	{ERRNO_OUR_FAULT, {EMSGSIZE, EACCES, EALREADY, -1, 100000}},
};

TEST(each_has_its_class) {
	assert_int_equal(errno_classify(0), ERRNO_OUR_FAULT);
	for (size_t i = 0; i < COUNT_OF(expectations); i++) {
		for (const int *number = expectations[i].numbers; *number; number++) {
			enum errno_class class = errno_classify(*number);
			if (class != expectations[i].class)
				fail_msg("errno %d has class %d, not %d", *number, class,
					 expectations[i].class);
		}
	}
}
