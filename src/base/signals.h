// The effect of signals in our programs: one table for all (signals.c). The manual pages describe
// it for users. Main thread; all other threads block them (base/thread.h).
//
// An ending signal (SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU) ends the program as if there were no
// handler. The same holds for process 1 of a container, for which the kernel has no default
// actions. A program that has work to finish can have the first ones counted instead. If a signal
// comes twice within 50 ms, it counts once: timeout(1) sends it to its child and to its group.
#ifndef ECHOD_BASE_SIGNALS_H
#define ECHOD_BASE_SIGNALS_H

#include <stdbool.h>

#include "base/error.h"

// Gives each signal its effect, and overrides what was inherited. Only an ignored SIGHUP stays
// ignored (nohup). Call it first in a program. Returns 0, or -1 when there is no descriptor.
int signals_open(struct echod_error *error);

// From here on the first `most` ending signals are only counted, and one more ends the program.
void signals_heed(int most);

// How many ending signals have been counted.
int signals_caught(void);

// A descriptor that is readable from the next counted ending signal until signals_clear; -1 before
// signals_open.
int signals_fd(void);
void signals_clear(void);

// From here on an ending signal calls `farewell` and ends the program with status 0. `farewell` may
// call only functions that are async-signal-safe.
void signals_end_well(void (*farewell)(void));

// Holds ending signals back, so that none ends the program in the middle of a change.
void signals_hold(bool hold);

#endif
