// Naming faults: what the segments, and the noise between them, say has happened to the stream. One
// thread for each struct verify.
#ifndef ECHOLOAD_EXPLAIN_H
#define ECHOLOAD_EXPLAIN_H

#include "suspicion.h"

// What was followed has been left, `length` bytes of noise came, and then what `lock` says, which
// is followed from now on.
void explain_lock(struct verify *verify, const uint8_t *noise, size_t length,
		  const struct lock *lock);

// `length` bytes of noise that can be kept no longer.
void explain_noise(struct verify *verify, const uint8_t *noise, size_t length);

// The side stretch has reached the front of the stream, which is followed from now on.
void explain_joined(struct verify *verify);

// Reports the missing ranges that have become too old or too many.
void explain_lost(struct verify *verify);

// The stream has ended after `length` bytes of noise. Reports all that is left; `whole`: also what
// of the bytes sent is missing at the end. The one function that takes a verify without suspicion.
void explain_end(struct verify *verify, const uint8_t *noise, size_t length, bool whole);

#endif
