// The acceptor: the thread that accepts connections, hands them to the pool, and at the end drains
// the server. It decides capacity before it accepts, never waits for a client and never spins. At
// the limit, and when the system runs out of something, it pauses. It alone arms and disarms the
// listeners.
#ifndef ECHOD_SERVER_ACCEPTOR_H
#define ECHOD_SERVER_ACCEPTOR_H

// Runs until the server has drained. `argument` is a struct server whose pool runs.
void *acceptor_run(void *argument);

#endif
