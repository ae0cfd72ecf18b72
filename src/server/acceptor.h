// The acceptor: the thread that accepts connections, hands them to the pool, and at the end drains
// the server.
#ifndef ECHOD_SERVER_ACCEPTOR_H
#define ECHOD_SERVER_ACCEPTOR_H

// Runs until the server has drained. `argument` is a struct server whose pool runs.
void *acceptor_run(void *argument);

#endif
