// How each of our programs begins and ends. Main thread.
#ifndef ECHOD_BASE_PROGRAM_H
#define ECHOD_BASE_PROGRAM_H

// Prepares the standard streams, also those that are closed (base/output.h), and the signals
// (base/signals.h), then runs the program. Returns its status; or EXIT_UNREACHABLE when standard
// output could not be written, after a message unless its reader has left (EPIPE): nobody wanted
// the rest.
int program_run(const char *name, int (*run)(int argc, char **argv), int argc, char **argv);

#endif
