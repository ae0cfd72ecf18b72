// CPU time and other resources of the generator itself, and of the machine. Main thread.
#ifndef ECHOLOAD_USAGE_H
#define ECHOLOAD_USAGE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define USAGE_THREADS 256

struct usage_thread {
	uint64_t user, system; // CPU time, ns
	uint64_t at;	       // when this was read, clock_now
	uint64_t worked;       // ns in which a thread that polls had something to do
	uint64_t waited;       // ns that it could have run and another had the CPU (schedstat)
};

// ns of CPU time that we, or everybody on this machine, could not have.
struct usage_machine {
	uint64_t throttled; // the cgroup's CPU quota kept us from running
	uint64_t wanted;    // of all CPUs by everybody,
	uint64_t stolen;    // and of that given to others by the hypervisor
	uint64_t idle;	    // for which the CPUs that we may use were, together; 0: not known
	unsigned cpus;	    // their number
	bool waits_known;   // whether the system shows how long a thread waits for a CPU
};

// TCP, of all connections at the end of the run, or of the first ones.
struct usage_tcp {
	unsigned sockets;
	uint64_t retransmits;	   // segments, while recording
	uint64_t needless;	   // of these, those that the peer had already (DSACK, RFC 3708)
	uint64_t least_round_trip; // us, of the connects; 0: not known
	uint64_t unread;	   // bytes that have come and not been read
	uint64_t unsent;	   // bytes that the peer has not acknowledged
	uint64_t limited_window;   // us in which the peer's window held us up (tcp_info)
	uint64_t busy;		   // us in which there was something to send
};

struct usage {
	unsigned threads;
	struct usage_thread thread[USAGE_THREADS];
	uint64_t stalled; // ns in which the main thread was not woken in time
	struct usage_machine machine;
	struct usage_tcp tcp;
};

// Of the calling thread since `before`; zeros if the system does not show it.
struct usage_thread usage_of_thread(uint64_t worked, const struct usage_thread *before);

// ns that a CPU quota has kept the process (0: this one) from running: of its cgroup and those
// above it, the most (cpu.stat of cgroups(7), version 1 and 2). 0 where there is none.
uint64_t usage_throttled(int pid);

// ns for which these CPUs were idle, together, since the machine was started. 0: not known.
uint64_t usage_idle(const cpu_set_t *cpus);

struct usage_machine usage_of_machine(void);
struct usage_machine usage_since(const struct usage_machine *before);

// Notes the round trip of a connect, if the kernel shows it. It is that of the path alone, as no
// program has to answer.
void usage_note_connect(struct usage_tcp *usage, int fd);

// The kernel's counters of a connected socket; zeros unless it is of TCP.
struct usage_tcp usage_of_socket(int fd);

// Adds the counts since `before`.
void usage_add_sockets(struct usage_tcp *sum, const struct usage_tcp *usage,
		       const struct usage_tcp *before);

#endif
