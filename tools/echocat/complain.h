// What echocat has to say on standard error: one line for each thing that went wrong. Main thread
// only.
#ifndef ECHOCAT_COMPLAIN_H
#define ECHOCAT_COMPLAIN_H

// Prints `echocat: ` and the message; returns `status`, so that a function can `return
// complain(…)`.
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Standard output could not be written for the reason `number`, an errno value. When its reader has
// left (EPIPE) nothing is printed: nobody wanted the rest. Returns the exit status.
int complain_output(int number);

#endif
