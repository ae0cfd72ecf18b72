// The standard streams. Main thread, first thing.
#ifndef ECHOD_BASE_STREAMS_H
#define ECHOD_BASE_STREAMS_H

// Holds the descriptors 0, 1 and 2 that the program was started without: else a socket would get
// such a number, and a peer would read what was meant for standard error. What stands there instead
// fails as a closed one does.
void streams_hold(void);

#endif
