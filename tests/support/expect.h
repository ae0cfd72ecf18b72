// What several unit tests expect: that a call aborts, that threads start and end, and that nothing
// is left behind. Main thread.
#ifndef ECHOD_UNIT_EXPECT_H
#define ECHOD_UNIT_EXPECT_H

#include <pthread.h>
#include <stdbool.h>

#include "test.h"

// Fails the test unless `act`, run in a child process, ends it by SIGABRT, as ensure() does.
void expect_abort(void (*act)(void *), void *argument);

// Starts a thread of the test; waits for its end and returns what it has returned.
pthread_t thread_begin(void *(*run)(void *), void *argument);
void *thread_end(pthread_t thread);

// How many descriptors this process has.
size_t open_descriptors(void);

// Waits until `count` threads named echod/… run, as one that was joined may be seen for a moment
// longer; false when it does not come to that.
bool threads_become(size_t count);

#endif
