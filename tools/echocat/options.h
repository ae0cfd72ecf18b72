// The command line of echocat. Main thread only.
#ifndef ECHOCAT_OPTIONS_H
#define ECHOCAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "proxy/send.h"

struct options {
	const char *host, *port; // as they were given; NULL: the default, or part of `host`
	struct address address;
	const char **messages; // into argv
	size_t message_count;  // 0: standard input is sent
	bool ping;	       // a line for each message, a summary at the end
	uint64_t count;	       // rounds, 0: until interrupted
	uint64_t interval;     // ns from the start of a round to the start of the next
	uint64_t timeout;      // ns, or CLOCK_NEVER
	enum proxy_kind proxy; // the header that is sent first
	bool half_close;       // send FIN when all is sent, not when all has come back
};

// Returns -1 when the program should go on, else the exit status; then any error has been printed.
// The caller frees the options in either case.
int options_read(struct options *options, int argc, char **argv);

void options_free(struct options *options);

#endif
