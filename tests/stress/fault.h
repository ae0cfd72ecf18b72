// Clients that misbehave, again and again. Even they check that what comes back is what was sent. A
// failure ends the process. One thread.
#ifndef ECHOD_TESTS_FAULT_H
#define ECHOD_TESTS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault_client {
	int fd;		  // -1: not connected
	uint64_t numbers; // state of its random numbers, see pattern_number
	uint64_t seed;	  // of the stream that it sends
	uint64_t goal;	  // the stream's length, where that matters
	uint64_t sent, received;
	uint64_t until; // clock_now when it does something else
	bool ending;	// has ended its side, and waits for the server to
};

enum fault_target {
	AT_ANY,	    // address that is sound
	AT_FIRST,   // of them
	AT_FLAWED,  // that of --faulty
	AT_CONTROL, // the control socket
	AT_HTTP,
};

// A kind of faulty client. Both functions return whether it goes on; if not, they have closed it.
struct fault {
	const char *name;
	enum fault_target at;
	unsigned clients;			    // as many at once
	unsigned pause_ms;			    // between its steps
	bool (*begin)(struct fault_client *client); // NULL: nothing to do
	bool (*go_on)(struct fault_client *client); // NULL: never called
};

extern const struct fault echo_faults[], control_faults[];
extern const size_t echo_fault_count, control_fault_count;

// For clients that stay a while: until a random time, then fault_leave.
bool fault_stay(struct fault_client *client);

// Close it: in order, or either so or with a reset. Return false.
bool fault_close(struct fault_client *client);
bool fault_leave(struct fault_client *client);

#endif
