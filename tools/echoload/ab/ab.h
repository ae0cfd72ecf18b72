// `echoload ab`: which of several servers is faster. Main thread.
#ifndef ECHOLOAD_AB_H
#define ECHOLOAD_AB_H

// The subcommand; argv[0] is its name. Returns the exit status.
int ab_main(int argc, char **argv);

#endif
