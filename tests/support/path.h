// A long, narrow or lossy path: two networks of the test's own with a process between them that
// carries the packets. What netem(8) does, also on a kernel without it. What goes wrong here fails
// the running test. One thread.
#ifndef ECHOD_TESTS_PATH_H
#define ECHOD_TESTS_PATH_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_NEAR "10.99.0.1" // the addresses of its ends
#define PATH_FAR "10.99.0.2"

// Of a direction.
struct path_lane {
	uint64_t delay;	    // ns
	uint64_t rate;	    // bytes a second; 0: as fast as it goes
	uint64_t queue;	    // bytes that may wait for `rate`; what comes then is dropped
	unsigned per_mille; // of the packets are lost, at random
};

struct path_spec {
	struct path_lane there, back; // from near to far, from far to near
};

// Whether paths can be made here: it takes /dev/net/tun, or leave to make such a node.
bool path_is_possible(void);

struct path; // freed by path_close

// Makes both networks and joins them. The calling thread is then in the near one, for good: what it
// starts is there.
struct path *path_open(const struct path_spec *spec);
void path_close(struct path *path);

// For how long, in ns, the process that carries the packets has wanted a CPU and had none.
uint64_t path_waited(const struct path *path);

// In which of the two the calling thread is, and what it starts from now on.
void path_go_far(const struct path *path);
void path_go_near(const struct path *path);

#endif
