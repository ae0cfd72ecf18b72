// What signals do in our programs: one table for all of them (signals.c; the manual pages say it
// for users). Main thread; all other threads block them (base/thread.h).
//
// An ending signal (SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU) ends the program as if there were no
// handler, also as process 1 of a container, where the kernel has no default actions. A program
// that has something to finish asks for the first ones to be counted instead. The same one within
// 50 ms is not a second one: timeout(1) sends it to its child and to its group.
#ifndef ECHOD_BASE_SIGNALS_H
#define ECHOD_BASE_SIGNALS_H

#include <stdbool.h>

// Gives each signal its effect, whatever was inherited, except that SIGHUP stays ignored when it
// was (nohup). First thing in a program.
void signals_open(void);

// From here on the first `most` ending signals are only counted, and one more ends the program.
void signals_heed(int most);

// How many have been counted.
int signals_caught(void);

// Readable from the next ending signal that is counted until signals_clear; -1 before signals_open.
int signals_fd(void);
void signals_clear(void);

// From here on an ending signal calls `farewell` and ends the program with status 0. `farewell` may
// only call what is async-signal-safe.
void signals_end_well(void (*farewell)(void));

// Holds ending signals back while something is in a state that nobody must find.
void signals_hold(bool hold);

#endif
