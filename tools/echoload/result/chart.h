// Pictures of results: `echoload report`. Main thread.
#ifndef ECHOLOAD_CHART_H
#define ECHOLOAD_CHART_H

#include <jansson.h>
#include <stdio.h>

// The subcommand; argv[0] is its name. Returns the exit status.
int chart_main(int argc, char **argv);

// The file's contents if `echoload ab` has written it; NULL: it is something else.
json_t *ratio_chart_read(const char *path);

// Draws it as SVG: the ratios with their intervals.
void ratio_chart_draw(FILE *file, const json_t *comparison);

#endif
