// The errors of echocat on standard error, one line each. Main thread only.
#ifndef ECHOCAT_COMPLAIN_H
#define ECHOCAT_COMPLAIN_H

// Prints `echocat: ` and the message; returns `status`, so that a function can `return
// complain(…)`.
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Reports that standard output could not be written; `number` is the errno value. If the reader has
// left (EPIPE), nothing is printed. Returns the exit status.
int complain_output(int number);

#endif
