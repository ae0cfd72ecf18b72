// The resources that HTTP clients may read, and the checks on a request. The HTTP thread only.
#ifndef ECHOD_HTTP_ANSWERS_H
#define ECHOD_HTTP_ANSWERS_H

#include <stdbool.h>

#include "http/history.h"
#include "http/mhd.h"
#include "server/server.h"
#include "stats/rates.h"

// What the answers are made from.
struct answers {
	struct server *server;
	bool on_loopback;	 // the listener is, so a Host of another name is not meant for it
	struct snapshot sampled; // the last sample, for the page
	struct snapshot now;	 // room for one
	struct rates rates;
	struct history history;
};

// Takes a sample; once a second. Returns when it was taken (clock_now).
uint64_t answers_sample(struct answers *answers);

// Answers a request for `path`, which is as it was sent: escapes are not decoded. Counts it.
enum MHD_Result answers_give(struct answers *answers, struct MHD_Connection *connection,
			     const char *path, const char *method, const char *version);

#endif
