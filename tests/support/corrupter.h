// A proxy between echoload and an echo server. It splits the echoes into pieces of 1 to 64k bytes,
// and makes one fault on each connection until there are `faults`, which it records. It has a
// thread of its own; the functions are for the test's.
#ifndef ECHOD_TESTS_CORRUPTER_H
#define ECHOD_TESTS_CORRUPTER_H

#include "echoload/verify/verify.h"

struct corrupter_plan {
	uint64_t seed;
	uint64_t run;	 // of echoload, its --run
	unsigned faults; // in all; even for FAULT_CROSSED. 0: nothing is corrupted
	enum fault_kind kind;
	// It is within one of the first `messages` of `message` bytes each, so that echoload waits
	// for what comes after it.
	uint64_t message, messages;
};

struct corrupter;

// Begins to listen on 127.0.0.1 and to pass all on to `port` there, one corrupter at a time.
struct corrupter *corrupter_start(const struct corrupter_plan *plan, uint16_t port);

uint16_t corrupter_port(const struct corrupter *corrupter);

// How many faults are settled: the connection has ended, and echoload has come again with its
// stream, so it is done with it.
unsigned corrupter_settled(const struct corrupter *corrupter);

// Ends the thread and with it all connections that are left, at the latest when the test ends.
// Returns how many faults there were; `faults`: they, valid until the test ends.
unsigned corrupter_stop(struct corrupter *corrupter, const struct fault **faults);

#endif
