// The output of a function on the standard streams, for tests of a command line. Main thread.
#ifndef ECHOD_UNIT_CAUGHT_H
#define ECHOD_UNIT_CAUGHT_H

struct caught {
	char out[4096];
	char err[1024];
	int status; // what the function returned
};

// Calls the function and catches what it prints, as much as fits.
struct caught caught_from(int (*function)(void *context), void *context);

#endif
