// gnuplot as a child process: a script goes in, a picture comes out. Main thread.
#ifndef ECHOLOAD_GNUPLOT_H
#define ECHOLOAD_GNUPLOT_H

#include <stdio.h>

#include "base/error.h"

// A stream to write the script into, or NULL.
FILE *gnuplot_open(struct error *error);

// Runs gnuplot, found by PATH, with the script on its standard input, waits for its end and closes
// the script. Returns what it has written to its standard output, which the caller frees; NULL:
// `error` says why, one line.
char *gnuplot_run(FILE *script, struct error *error);

#endif
