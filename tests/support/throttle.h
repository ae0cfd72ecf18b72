// What slows a program down on purpose, each a child process of the test's that ends with it. What
// goes wrong here fails the running test. One thread.
#ifndef ECHOD_TESTS_THROTTLE_H
#define ECHOD_TESTS_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct throttle; // freed by throttle_end

// Has all threads of the process run on that CPU only; on all that this program may use again.
void throttle_pin(pid_t pid, unsigned cpu);
void throttle_unpin(pid_t pid);

// Another program that wants all of that CPU.
struct throttle *throttle_neighbour(unsigned cpu);

// Lets the process run for a part of the time only, 0 to 1, by SIGSTOP and SIGCONT, as cpulimit(1)
// does.
struct throttle *throttle_stop_and_go(pid_t pid, double share);

// Gives the process a CPU quota, 0 to 1 of one CPU, in a cgroup of its own. NULL: we may make none
// here.
struct throttle *throttle_quota(pid_t pid, double share);

// A proxy between its own port and `port` (both 127.0.0.1) that lets through so many bytes a second
// in each direction.
struct throttle *throttle_pacing_proxy(uint16_t port, uint64_t bytes_per_second);
uint16_t throttle_port(const struct throttle *proxy);

void throttle_end(struct throttle *throttle);

#endif
