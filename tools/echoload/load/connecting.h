// How connections of the generator begin and end. The thread of their loop.
#ifndef ECHOLOAD_CONNECTING_H
#define ECHOLOAD_CONNECTING_H

#include <stdbool.h>
#include <stdint.h>

#include "errors.h"
#include "link.h"

// Begins to connect a closed link, or has it wait until fewer do.
void connecting_begin(struct loop *loop, struct link *link, uint64_t now);

// Its socket is writable, or has failed. Returns whether it is connected.
bool connecting_finish(struct loop *loop, struct link *link, uint64_t now);

// Counts an error of a link that takes part, while recording; and LOAD_MISMATCH always.
void link_note_error(struct loop *loop, const struct link *link, enum load_error error, int number);

// The end of the verification, if there is one. Returns whether there was no fault.
bool link_end_verify(const struct loop *loop, struct link *link, bool whole);

// Closes the socket, and plans to connect at `again`; CLOCK_NEVER: not.
void link_close(struct loop *loop, struct link *link, uint64_t again);

// The connection has failed with `error`, for the reason `number` if that is not 0.
void link_fail(struct loop *loop, struct link *link, enum load_error error, int number);

#endif
