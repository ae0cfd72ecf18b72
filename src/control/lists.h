// The lists of connections and of workers, and the ledger, as tables and as JSON. They are sent in
// pieces, so that a list of any length takes the memory of one piece. One thread at a time.
#ifndef ECHOD_CONTROL_LISTS_H
#define ECHOD_CONTROL_LISTS_H

#include <stdbool.h>
#include <stdio.h>

#include "server/server.h"

enum list_subject { LIST_CONNECTIONS, LIST_WORKERS, LIST_LEDGER };

// A list that has been begun. All zero: none.
struct list {
	const struct list_kind *kind; // NULL: no list, or all of it has been written
	bool json;
	bool failed;	// memory was short: the text is incomplete
	size_t next;	// the slot or worker to list
	uint64_t entry; // of the ledger: the entry to list
	uint64_t last;	// and the one at which to stop; 0: open connections come first
	size_t rows;	// so far
	size_t most;	// rows at most; list_begin sets SIZE_MAX, that is all
	bool truncated; // there were more
};

// Writes the part before the first row.
void list_begin(struct list *list, enum list_subject subject, bool json, FILE *out);

// Writes the next few rows, and after the last row the end. A connection that stays open has
// exactly one row, with the values at the time when it is written. In the ledger, one that closes
// meanwhile may have two.
void list_write(struct list *list, struct server *server, FILE *out);

static inline bool list_goes_on(const struct list *list)
{
	return list->kind != NULL;
}

#endif
