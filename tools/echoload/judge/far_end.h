// What can be seen of the other end while a run lasts: of its process, if that runs on this machine
// and we may look; of its workers, if it is an echod whose control socket is given; if neither, how
// long it takes to connect to it now and then. Asked in a
// thread of its own, as an answer may take its time.
#ifndef ECHOLOAD_FAR_END_H
#define ECHOLOAD_FAR_END_H

#include "base/error.h"
#include "echoload/load/config.h"

struct far_end_view {
	// The process: shares of the time, 0 to 1.
	bool process_known;
	double cpu;	       // of the CPUs that it may use
	double thread_busy;    // of its busiest thread: on a CPU,
	double thread_waiting; // and waiting for one
	double stopped;	       // by a signal
	double throttled;      // by its CPU quota

	// echod's workers.
	bool workers_known;
	double workers_busy;	// share of them that served a connection, on the average
	double workers_polling; // of the time of one worker: polled, and nothing came
	double silent;		// share of our questions not answered in time
	double queue_wait_mean; // ns that a connection waited for a worker; 0: none did

	// Where neither is known: the median of connects beside the load, ns; 0: not known.
	double connect_round_trip;
	int connect_failure; // why the last of them failed, see probe.h

	bool between; // who we are connected to is not who has the control socket: a proxy
};

struct far_end;

// Finds out who answers there, and asks the control socket, if one is given, whether it is one.
// NULL: that is not so, or no memory.
struct far_end *far_end_open(const struct load_config *config, struct error *error);
void far_end_free(struct far_end *far_end);

// Begins to look, and ends; each once. A second or more between them.
void far_end_begin(struct far_end *far_end);
void far_end_end(struct far_end *far_end);

// What was seen between the two. Nothing is known if they were not called.
struct far_end_view far_end_view(const struct far_end *far_end);

#endif
