// The resources that HTTP clients may read, and the checks on a request for one. The HTTP thread
// only.
#ifndef ECHOD_HTTP_ANSWERS_H
#define ECHOD_HTTP_ANSWERS_H

#include <stdbool.h>

#include "http/history.h"
#include "http/mhd.h"
#include "server/server.h"
#include "stats/rates.h"

#define ANSWERS_MAX_CONNECTIONS 1000 // rows of /connections.json

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

// Whether the value of Accept, or NULL, asks for OpenMetrics: names it with a quality above 0 (RFC
// 9110, section 12.5.1).
bool answers_openmetrics(const char *accept);

// Whether the value of Host, or NULL, can only stand for this host: `localhost` or an address. A
// page from elsewhere that had its own name resolved to a loopback address (DNS rebinding) comes
// with that name.
bool answers_own_host(const char *host);

#endif
