// The one classifier of the errors of recv, send and accept. Any thread.
#ifndef ECHOD_NET_ERRNO_CLASS_H
#define ECHOD_NET_ERRNO_CLASS_H

enum errno_class {
	ERRNO_TRY_AGAIN,      // EAGAIN: nothing there, or a socket's time-out has passed
	ERRNO_INTERRUPTED,    // EINTR
	ERRNO_PEER_GONE,      // reset, broken pipe, aborted
	ERRNO_TIMED_OUT,      // ETIMEDOUT: keep-alive or retransmission gave up
	ERRNO_NETWORK,	      // the network or a firewall says no (accept(2): "treat like EAGAIN")
	ERRNO_NO_DESCRIPTORS, // EMFILE, ENFILE
	ERRNO_NO_MEMORY,      // ENOBUFS, ENOMEM
	ERRNO_OUR_FAULT,      // all else: EBADF, EINVAL, ENOTSOCK, …
};

// On an open connection ERRNO_NETWORK is ERRNO_TIMED_OUT with a reason that the network has told.
enum errno_class errno_classify(int number);

#endif
