// What can be seen of the server while a run lasts: of its processes, if they run on this machine
// and /proc shows them; of its workers, if it is an echod whose control socket is given. A thread
// of its own looks, as an answer may take its time; the functions are for the main thread.
#ifndef ECHOLOAD_SERVER_PROBE_H
#define ECHOLOAD_SERVER_PROBE_H

#include "base/error.h"
#include "echoload/load/config.h"
#include "server_process.h"

// Shares of the time, 0 to 1. NAN: not known.
struct server_view {
	struct processes_load load;
	double stopped;	     // by a signal
	double throttled;    // by its CPU quota
	double workers_busy; // share of echod's workers that served a connection, the mean
	bool other;	     // the control socket's echod did not send what we received
	bool changed;	     // processes came or went
};

struct server_probe;

// Asks the control socket, if one is given, whether it is an echod's. NULL: it is not, or there is
// no memory.
struct server_probe *server_probe_open(const struct load_config *config, struct error *error);
void server_probe_free(struct server_probe *probe);

// Begins to look, when all are connected, and ends; each once.
void server_probe_begin(struct server_probe *probe);
void server_probe_end(struct server_probe *probe);

// What was seen between the two, in which we received `bytes`.
struct server_view server_probe_view(const struct server_probe *probe, uint64_t bytes);

// The server's processes; none: not known.
const struct processes *server_probe_processes(const struct server_probe *probe);

#endif
