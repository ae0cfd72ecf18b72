// The command line of echopath. Main thread only.
#ifndef ECHOPATH_OPTIONS_H
#define ECHOPATH_OPTIONS_H

#include "trial.h"

#define ECHOPATH "echopath"
#define EXIT_STALE 5 // rows are better than --expect says, and none is worse

struct options {
	const char *via_text, *backend_text, *connect_text, *far_text,
		*serve_text; // as given; NULL: not given
	struct address via, backend, connect, far, serve;
	bool quick, skip_direct, list, reasons, tap;
	bool idle;			   // `echopath idle`
	uint64_t repeats;		   // 0: as the rows say
	uint64_t timeout;		   // ns
	uint64_t longest;		   // silence of `echopath idle`, ns
	const char *json, *junit, *expect; // files; NULL: none
	const char **selected;		   // IDs or their beginnings, into argv
	unsigned selected_count;	   // 0: all
};

// Returns -1 when the program should go on, else the exit status; then any error has been printed.
// The caller frees the options in either case.
int options_read(struct options *options, int argc, char **argv);

void options_free(struct options *options);

// Marks the behaviours that were selected. Returns how many.
unsigned options_select(const struct options *options, struct result *results);

#endif
