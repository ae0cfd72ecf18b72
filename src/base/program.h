// The start and the end of each of our programs. Main thread.
#ifndef ECHOD_BASE_PROGRAM_H
#define ECHOD_BASE_PROGRAM_H

// Prepares the standard streams, also closed ones (base/output.h), and the signals
// (base/signals.h), then runs the program. Returns its status, or EXIT_UNREACHABLE when standard
// output could not be written. It prints an error then, except when the reader has left (EPIPE).
int program_run(const char *name, int (*run)(int argc, char **argv), int argc, char **argv);

#endif
