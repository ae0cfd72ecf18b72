// Sockets that a service manager hands over (socket activation, sd_listen_fds(3)). Main thread.
#ifndef ECHOD_MANAGER_ACTIVATION_H
#define ECHOD_MANAGER_ACTIVATION_H

#include <stddef.h>

#include "base/error.h"
#include "server/server.h"

// The name of a socket (FileDescriptorName= of its unit) tells what it is for. `control` and `http`
// are what they say; all others take connections to echo, `proxy` those with a PROXY header, and
// `faulty` or `faulty=LIST` as --faulty does, with that list of faults or none yet.
struct activation {
	struct inherited listeners[CONFIG_MAX_LISTEN];
	size_t count;
	int control;			     // -1: none
	int http;			     // -1: none
	char names[CONFIG_MAX_LISTEN * 256]; // of all, one after the other
};

// Takes the sockets of $LISTEN_FDS if $LISTEN_PID is this process, marks them as close-on-exec and
// non-blocking, and takes LISTEN_* out of the environment. Call it once, before the first thread
// starts. Returns -1 with `error` if a socket is missing or does not listen, or if standard input
// is one: a super-server's, or that of StandardInput=socket, which sets no variables. What is
// close-on-exec did not come through exec(2), so the descriptor of that number is missing.
int activation_take(struct activation *activation, struct echod_error *error);

#endif
