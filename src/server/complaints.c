#include "server/complaints.h"

#include <stdio.h>

static const struct {
	const char *event, *reason, *subject;
} kinds[COMPLAINT_COUNT] = {
#define COMPLAINT(name, event, reason, subject) {event, reason, subject},
	COMPLAINTS(COMPLAINT)
#undef COMPLAINT
};

void complain(struct complaints *complaints, enum complaint complaint, const char *what,
	      const char *subject)
{
	struct log *log = complaints->log;
	uint64_t suppressed;
	enum echod_log_level level =
		complaint == COMPLAINT_proxy_eof ? ECHOD_LOG_DEBUG : ECHOD_LOG_WARNING;
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
