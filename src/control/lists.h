// The lists of connections and of workers, as tables and as JSON. They go out in pieces, so that a
// list of any length takes the memory of one piece. The stats thread only.
#ifndef ECHOD_CONTROL_LISTS_H
#define ECHOD_CONTROL_LISTS_H

#include <stdbool.h>
#include <stdio.h>

#include "server/server.h"

enum list_subject { LIST_CONNECTIONS, LIST_WORKERS };

// A list that has been begun. All zero: none.
struct list {
	const struct list_kind *kind; // NULL: there is none, or all of it has been written
	bool json;
	bool failed; // memory was short: the text is of no use
	size_t next; // the slot or worker to look at
	size_t rows; // so far
};

// Writes what stands before the first row.
void list_begin(struct list *list, enum list_subject subject, bool json, FILE *out);

// Writes the next few rows, and after the last one the end. A connection that is open all the time
// has one row, and the figures in it are of the moment when it is written.
void list_write(struct list *list, struct server *server, FILE *out);

static inline bool list_goes_on(const struct list *list)
{
	return list->kind != NULL;
}

#endif
