// A scene of echoload's verdict: a server, a limit, and the verdict that follows. Any failure fails
// the running test. One thread.
#ifndef ECHOD_TESTS_SCENE_H
#define ECHOD_TESTS_SCENE_H

#include "odd_server.h"
#include "path.h"

#define SCENE_OPTIONS 10

enum scene_limit { NO_LIMIT, QUOTA, STOPS, NEIGHBOUR };

// A process's time is limited by a quota, or by SIGSTOP and SIGCONT, which leave it `share` of a
// CPU (0 to 1); or by a program that uses all of its CPU.
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
	bool blind;			  // echoload does not get the server's control socket
	bool stranger;			  // it gets that of another echod
	bool no_proc;			  // echoload has no /proc
	enum scene_proxy proxy;		  // between echoload and the server
	const struct path_spec *path;	  // the server is at its far end; implies blind
};

enum scene_outcome {
	SCENE_RIGHT,
	SCENE_WEAK,
	SCENE_UNDECIDED, // INCONCLUSIVE
	SCENE_EXCUSED,	 // true, because other programs used the machine
	SCENE_WRONG,
	SCENE_OUTCOMES,
};

struct scene_call {
	enum scene_outcome outcome;
	bool disturbed;	  // other programs used the machine
	const char *said; // the verdict and its evidence; valid until the test ends
};

// Whether it can be played here.
bool scene_is_possible(const struct scene *scene);

// Starts its programs, runs echoload once, and ends them.
struct scene_call scene_play(const struct scene *scene);

#endif
