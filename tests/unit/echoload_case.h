// Evidence made by hand for the tests of echoload's verdict. One thread.
#ifndef ECHOD_TESTS_ECHOLOAD_CASE_H
#define ECHOD_TESTS_ECHOLOAD_CASE_H

#include "echoload/judge/verdict.h"

// A run of 10 s in which the generator waited most of the time, a closed loop over a path that is
// short for its latency of 1 ms; nothing is known of the server. Every test may change what
// it likes.
extern struct hdr latency;
extern struct hdr lateness;
extern struct load_config config;
extern struct load_errors errors;
extern struct facts facts;
extern struct evidence evidence;
extern struct verdict verdict;

// Makes the case again: a setup of cmocka's.
int begin(void **state);

// The open loop: 10,000 messages a second were due.
void offer(double served);

// All that can be seen of a server with nothing to do.
void see_idle_server(void);

// Asserts the verdict, and that its first line, the reason, begins with `reason`.
void reaches(enum verdict_kind kind, const char *reason);

#endif
