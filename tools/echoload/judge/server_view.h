// The server: the processes of this machine that serve our connections, and the CPU time they use,
// as /proc shows them (proc(5)); any thread. Of processes that /proc does not show nothing is
// known.
#ifndef ECHOLOAD_SERVER_VIEW_H
#define ECHOLOAD_SERVER_VIEW_H

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echoload/load/load_config.h"
#include "net/address.h"

#define PROCESSES 64
#define PROCESSES_THREADS 1024

struct processes {
	int pid[PROCESSES];
	size_t count; // 0: not known
};

// Adds those that have connections to `target`: several where a server forks or shares its port.
// Only of our network namespace. With `visits`, where connections are too short for that: those
// that listen there. Returns whether all are known; if not, `processes` has none.
bool processes_find(struct processes *processes, const struct endpoint *target, bool visits);

// Those of the targets from `first` to before `end`. None if they are not known of one target.
struct processes processes_of(const struct load_config *config, size_t first, size_t end);

bool processes_same(const struct processes *one, const struct processes *other);

// Whether one of them has been stopped (SIGSTOP).
bool processes_stopped(const struct processes *processes);

// ns since each began.
struct processes_thread {
	int tid;
	uint64_t ran, waited; // on a CPU; for one
};

struct processes_usage {
	uint64_t at;	    // clock_now
	uint64_t ran;	    // all threads and children, also those that have ended
	uint64_t throttled; // a CPU quota kept one of the processes from running, the most
	cpu_set_t cpus;	    // on which they may run,
	uint64_t idle;	    // and for how long those were idle, together
	struct processes_thread thread[PROCESSES_THREADS];
	size_t count;
};

void processes_measure(const struct processes *processes, struct processes_usage *usage);

// Shares of the time between two measurements, 0 to 1; NAN: not known.
struct processes_load {
	double cpu;	      // of the CPUs that they may use
	double wanted;	      // of the same: used, or waited for; more than 1 if several waited
	double idle;	      // of the same: not used by anybody
	double throttled;     // by a CPU quota
	double busy, waiting; // of the thread that had the most to do: on a CPU, and for one
};

#define PROCESSES_LOAD_UNKNOWN ((struct processes_load){NAN, NAN, NAN, NAN, NAN, NAN})

struct processes_load processes_load(const struct processes_usage *before,
				     const struct processes_usage *after);

// Samples the server while a run lasts: its processes, if they run on this machine and /proc shows
// them; its workers, if it is an echod whose control socket is given. A thread of its own does it,
// as an answer may take long. Main thread.
struct server_probe;

// Shares of the time, 0 to 1. NAN: not known.
struct server_view {
	struct processes_load load;
	double stopped;	     // by a signal
	double workers_busy; // share of echod's workers that served a connection, the mean
	double at_rest;	     // of the busiest thread: on a CPU without any load
	bool other;	     // the control socket's echod did not send what we received
	bool changed;	     // processes came or went
};

#define SERVER_VIEW_UNKNOWN \
	((struct server_view){PROCESSES_LOAD_UNKNOWN, NAN, NAN, NAN, false, false})

// Asks the control socket, if one is given, whether it is an echod's. NULL: it is not, or there is
// no memory.
struct server_probe *server_probe_open(const struct load_config *config, struct echod_error *error);
void server_probe_free(struct server_probe *probe);

// Begins to take samples, when all are connected, and ends; each once.
void server_probe_begin(struct server_probe *probe);
void server_probe_end(struct server_probe *probe);

// Waits for 100 ms in which there is no load. Returns the share of it that the server's busiest
// thread was on a CPU, as one that polls is.
double server_probe_at_rest(struct server_probe *probe);

// The samples between the two, in which we received `bytes`.
struct server_view server_probe_view(const struct server_probe *probe, uint64_t bytes);

#endif
