// A scene of echoload's verdict: a server, what limits it, and the verdict that follows. What goes
// wrong here fails the running test. One thread.
#ifndef ECHOD_TESTS_SCENE_H
#define ECHOD_TESTS_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "odd_server.h"
#include "path.h"

#define SCENE_OPTIONS 10

enum scene_limit { NO_LIMIT, QUOTA, STOPS, NEIGHBOUR };

// What takes a process's time: a quota, or SIGSTOP and SIGCONT, that leave it `share` of a CPU
// (0 to 1); a program that wants all of its CPU.
struct scene_slow {
	enum scene_limit limit;
	double share;
};

enum scene_proxy { NO_PROXY, PACER, HAPROXY };

struct scene {
	const char *name;	 // GROUP/NAME
	const char *verdicts[2]; // that are right; that are true and say less. Separated by spaces
	const char *options[SCENE_OPTIONS];
	const struct odd_spec *odd;	  // the server; NULL: echod
	struct scene_slow server, client; // each has a CPU of its own,
	bool together;			  // or both have one
	bool blind;			  // the server's control socket is not told
	bool stranger;			  // that of another echod is told
	bool no_proc;			  // echoload has no /proc
	enum scene_proxy proxy;		  // it is one, to go through
	const struct path_spec *path;	  // the server is at the far end of it, and blind
};

enum scene_outcome {
	SCENE_RIGHT,
	SCENE_WEAK,
	SCENE_UNDECIDED, // INCONCLUSIVE
	SCENE_EXCUSED,	 // true, as others used the machine
	SCENE_WRONG,
	SCENE_OUTCOMES,
};

struct scene_call {
	enum scene_outcome outcome;
	bool disturbed; // others used the machine
	char *said;	// the verdict with its reasons and the experiment; the caller frees it
};

// Whether it can be played here.
bool scene_is_possible(const struct scene *scene);

// Starts all that belongs to it, runs echoload once, and ends everything.
struct scene_call scene_play(const struct scene *scene);

#endif
