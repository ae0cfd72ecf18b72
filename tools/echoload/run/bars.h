// Bars drawn with characters: block characters where UTF-8 is read, else #. Main thread only.
#ifndef ECHOLOAD_BARS_H
#define ECHOLOAD_BARS_H

#include <stdbool.h>
#include <stdio.h>

#include "echoload/common/hdr.h"

// Draws `share` (0 to 1) of `cells` columns; what is more than 0 is seen. With `fill` spaces make
// it `cells` columns.
void bars_draw(FILE *file, double share, unsigned cells, bool utf8, bool fill);

// A small histogram of at most 12 lines of 79 columns: how many samples were up to which duration,
// each step the same factor wider up to p99.9, then all the rest.
void bars_histogram(FILE *file, const struct hdr *hdr, bool utf8);

#endif
