// The epoll loop that peers/epoll.c and peers/epoll_reuseport.c run: the yardstick.
#ifndef BENCH_PEERS_EVENT_LOOP_H
#define BENCH_PEERS_EVENT_LOOP_H

// Serves what `listener`, a non-blocking socket, accepts, for ever. One loop a thread, sharing
// nothing.
void event_loop_run(int listener) __attribute__((noreturn));

#endif
