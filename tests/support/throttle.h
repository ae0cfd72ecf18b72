// Throttles slow a program down on purpose. Each is a child process that ends with the test, or a
// cgroup. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_THROTTLE_H
#define ECHOD_TESTS_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct throttle; // freed by throttle_end

// Restricts all threads of the process to that CPU; lets them use all CPUs of this program again.
void throttle_pin(pid_t pid, unsigned cpu);
void throttle_unpin(pid_t pid);

// A program that uses all of that CPU it can get.
struct throttle *throttle_neighbour(unsigned cpu);

// Lets the process run for a share of the time, 0 to 1, by SIGSTOP and SIGCONT, as cpulimit(1)
// does.
struct throttle *throttle_stop_and_go(pid_t pid, double share);

// Gives the process a CPU quota, 0 to 1 of one CPU, in a cgroup of its own. NULL: not permitted
// here.
struct throttle *throttle_quota(pid_t pid, double share);

// A proxy from its own port to `*port`, both of 127.0.0.1, with a limited rate in each direction.
// Leaves its own port in `*port`.
struct throttle *throttle_pacing_proxy(uint16_t *port, uint64_t bytes_per_second);

void throttle_end(struct throttle *throttle);

#endif
