// The acceptor's repeated complaints in the log: at most one line a second of each kind. The
// acceptor only.
#ifndef ECHOD_SERVER_COMPLAINTS_H
#define ECHOD_SERVER_COMPLAINTS_H

#include "base/log.h"

enum complaint {
	COMPLAINT_ABORTED,
	COMPLAINT_NETWORK,
	COMPLAINT_DESCRIPTORS,
	COMPLAINT_MEMORY,
	COMPLAINT_OTHER,
	COMPLAINT_LIMIT_WAIT,
	COMPLAINT_LIMIT,
	COMPLAINT_SOURCE,
	COMPLAINT_EVENTS,
	COMPLAINT_PROXY_UNTRUSTED, // as proxy_rejected_*
	COMPLAINT_PROXY_TIMEOUT,
	COMPLAINT_PROXY_MALFORMED,
	COMPLAINT_PROXY_TOO_LARGE,
	COMPLAINT_PROXY_CRC,
	COMPLAINT_PROXY_VERSION,
	COMPLAINT_PROXY_END, // only for debugging, as health checks connect and leave
	COMPLAINT_COUNT,
};

struct complaints {
	struct log *log;
	struct log_limit limits[COMPLAINT_COUNT];
};

// Logs as a warning `what`, directly followed by its `subject`: an error's text, a peer, or an
// empty string.
void complain(struct complaints *complaints, enum complaint complaint, const char *what,
	      const char *subject);

#endif
