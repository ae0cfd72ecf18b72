// The acceptor's repeated complaints in the log: at most one line a second of each kind. The
// acceptor only.
#ifndef ECHOD_SERVER_COMPLAINTS_H
#define ECHOD_SERVER_COMPLAINTS_H

#include "base/log.h"

// COMPLAINT(name, event, reason, subject): the rest are fields for programs: the event, the reason,
// and the name of the subject's field.
#define COMPLAINTS(COMPLAINT)                                             \
	COMPLAINT(ABORTED, "accept_failed", "aborted", "error")           \
	COMPLAINT(NETWORK, "accept_failed", "network", "error")           \
	COMPLAINT(DESCRIPTORS, "accept_failed", "descriptors", "error")   \
	COMPLAINT(MEMORY, "accept_failed", "memory", "error")             \
	COMPLAINT(OTHER, "accept_failed", "other", "error")               \
	COMPLAINT(LIMIT_WAIT, "accept_paused", "limit", NULL)             \
	COMPLAINT(LIMIT, "rejected", "limit", "peer")                     \
	COMPLAINT(SOURCE, "rejected", "source", "peer")                   \
	COMPLAINT(EVENTS, "accept_paused", "events", NULL)                \
	COMPLAINT(proxy_untrusted, "rejected", "proxy_untrusted", "peer") \
	COMPLAINT(proxy_timeout, "rejected", "proxy_timeout", "peer")     \
	COMPLAINT(proxy_malformed, "rejected", "proxy_malformed", "peer") \
	COMPLAINT(proxy_too_large, "rejected", "proxy_too_large", "peer") \
	COMPLAINT(proxy_crc, "rejected", "proxy_crc", "peer")             \
	COMPLAINT(proxy_version, "rejected", "proxy_version", "peer")     \
	COMPLAINT(proxy_eof, "rejected", "proxy_eof", "peer")

enum complaint {
#define COMPLAINT(name, event, reason, subject) COMPLAINT_##name,
	COMPLAINTS(COMPLAINT) COMPLAINT_COUNT
#undef COMPLAINT
};

struct complaints {
	struct log *log;
	struct log_limit limits[COMPLAINT_COUNT];
};

// Logs as a warning (proxy_eof: for debugging, as health checks connect and leave) `what`, directly
// followed by its `subject`: an error's text, a peer, or an empty string.
void complain(struct complaints *complaints, enum complaint complaint, const char *what,
	      const char *subject);

#endif
