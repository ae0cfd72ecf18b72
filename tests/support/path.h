// A long, narrow or lossy path: two networks of the test's own and a process that carries the
// packets between them, as netem(8) does, but on any kernel. Any failure fails the running test.
// One thread.
#ifndef ECHOD_TESTS_PATH_H
#define ECHOD_TESTS_PATH_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_NEAR "10.99.0.1" // the addresses of its ends
#define PATH_FAR "10.99.0.2"

// Of a direction.
struct path_lane {
	uint64_t delay;	    // ns
	uint64_t rate;	    // bytes a second; 0: unlimited
	uint64_t queue;	    // bytes that may wait for `rate`; more are dropped
	unsigned per_mille; // of the packets are lost, at random
};

struct path_spec {
	struct path_lane there, back; // from near to far, from far to near
};

// Whether paths can be made here: that needs /dev/net/tun, or permission to make such a node.
bool path_is_possible(void);

struct path; // freed by path_close

// Makes both networks and joins them. From then on the calling thread is in the near one, and so
// are the processes that it starts.
struct path *path_open(const struct path_spec *spec);
void path_close(struct path *path);

// Moves the calling thread, and the processes that it starts from now on.
void path_go_far(const struct path *path);
void path_go_near(const struct path *path);

#endif
