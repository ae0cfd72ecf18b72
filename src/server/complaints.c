#include "server/complaints.h"

#include <stdio.h>

// The fields of each complaint for programs: the event, the reason, and the name of the subject's
// field.
static const struct {
	const char *event, *reason, *subject;
} kinds[COMPLAINT_COUNT] = {
	[COMPLAINT_ABORTED] = {"accept_failed", "aborted", "error"},
	[COMPLAINT_NETWORK] = {"accept_failed", "network", "error"},
	[COMPLAINT_DESCRIPTORS] = {"accept_failed", "descriptors", "error"},
	[COMPLAINT_MEMORY] = {"accept_failed", "memory", "error"},
	[COMPLAINT_OTHER] = {"accept_failed", "other", "error"},
	[COMPLAINT_LIMIT_WAIT] = {"accept_paused", "limit", NULL},
	[COMPLAINT_LIMIT] = {"rejected", "limit", "peer"},
	[COMPLAINT_SOURCE] = {"rejected", "source", "peer"},
	[COMPLAINT_EVENTS] = {"accept_paused", "events", NULL},
	[COMPLAINT_PROXY_UNTRUSTED] = {"rejected", "proxy_untrusted", "peer"},
	[COMPLAINT_PROXY_TIMEOUT] = {"rejected", "proxy_timeout", "peer"},
	[COMPLAINT_PROXY_MALFORMED] = {"rejected", "proxy_malformed", "peer"},
	[COMPLAINT_PROXY_TOO_LARGE] = {"rejected", "proxy_too_large", "peer"},
	[COMPLAINT_PROXY_CRC] = {"rejected", "proxy_crc", "peer"},
	[COMPLAINT_PROXY_VERSION] = {"rejected", "proxy_version", "peer"},
	[COMPLAINT_PROXY_END] = {"rejected", "proxy_eof", "peer"},
};

void complain(struct complaints *complaints, enum complaint complaint, const char *what,
	      const char *subject)
{
	struct log *log = complaints->log;
	uint64_t suppressed;
	enum echod_log_level level =
		complaint == COMPLAINT_PROXY_END ? ECHOD_LOG_DEBUG : ECHOD_LOG_WARNING;
	if (!log_wants(log, level))
		return; // nothing is dropped either
	if (!log_limit_pass(log, &complaints->limits[complaint], &suppressed))
		return;
	char more[64] = "";
	if (suppressed)
		snprintf(more, sizeof(more), " (and %llu times more since the last line)",
			 (unsigned long long)suppressed);
	log_write(log, level, kinds[complaint].event,
		  LOG_FIELDS({"reason", .text = kinds[complaint].reason},
			     {"suppressed", .number = suppressed},
			     {kinds[complaint].subject, .text = subject}),
		  "%s%s%s", what, subject, more);
}
