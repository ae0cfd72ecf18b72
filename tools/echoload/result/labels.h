// Names for several results, each of which tells its file from the others. Any thread.
#ifndef ECHOLOAD_LABELS_H
#define ECHOLOAD_LABELS_H

#include <stddef.h>

#define LABELS_SIZE 72 // of a name with its NUL

// Fills `names` with one name for each path: the end of the path, of as many folders as it takes,
// without `.json` where all have it. Bytes that may mean something to SVG or HTML become `?`.
// Where names are the same nevertheless, such as those of one path given twice, `#N` follows: the
// place in the list, from 1.
void labels_make(const char *const *paths, size_t count, char (*names)[LABELS_SIZE]);

#endif
