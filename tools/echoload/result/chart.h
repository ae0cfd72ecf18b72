// Pictures of results: `echoload report`. Main thread.
#ifndef ECHOLOAD_CHART_H
#define ECHOLOAD_CHART_H

// The subcommand; argv[0] is its name. Returns the exit status.
int chart_main(int argc, char **argv);

#endif
