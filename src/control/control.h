// The control socket and the stats thread that serves it. The thread samples the counters once a
// second for the rates, and answers requests. A slow, silent or flooding client disturbs only
// itself.
#ifndef ECHOD_CONTROL_CONTROL_H
#define ECHOD_CONTROL_CONTROL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "control/session.h"
#include "net/listener.h"
#include "net/waker.h"
#include "server/server.h"
#include "stats/rates.h"

#define CONTROL_MAX_CLIENTS 16

// The stats thread owns it while it runs, except `stop`: the thread that stops it sets `stop` and
// then wakes it.
struct control {
	struct server *server;
	struct thread_stats *stats;
	struct listener listener;
	struct waker waker;
	pthread_t thread;
	struct gate ready;
	_Atomic bool stop;
	struct rates rates;
	struct snapshot snapshot;
	uint64_t next_sample;  // clock_now
	uint64_t accept_again; // after a failure, when to accept again; clock_now
	struct session sessions[CONTROL_MAX_CLIENTS];
};

// Makes the control socket of `server` at `path`. Fails if a live server has that path. If `given`
// is not -1, takes over that socket instead (listener_adopt). Nothing answers yet.
int control_open(struct control *control, const char *path, int given, struct server *server,
		 struct echod_error *error);

// Starts the stats thread and waits until it is ready. The server's threads must run.
int control_start(struct control *control, struct echod_error *error);

// Ends the thread.
void control_stop(struct control *control);

// Closes the socket, and removes its path if control_open made it. The thread must not run.
void control_close(struct control *control);

#endif
