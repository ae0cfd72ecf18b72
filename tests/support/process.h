// Programs as children of the test: started with arguments, environment and limits, their output
// captured, ended at the latest when the test ends. What goes wrong here fails the running test.
// One thread.
#ifndef ECHOD_TESTS_PROCESS_H
#define ECHOD_TESTS_PROCESS_H

#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/clock.h"

// How long a fact may take to become true before the test fails: never reached on a sound server,
// so it is generous for slow and busy machines.
#define PATIENCE ((sizeof(ECHOD_SANITIZE) > 1 ? 60 : 20) * NS_PER_S)

#define wait_until(condition) wait_with_(condition, #condition, poll(NULL, 0, 2))
#define yield_until(condition) wait_with_(condition, #condition, sched_yield()) // comes at once
#define wait_with_(condition, text, pause)                                      \
	for (uint64_t until_ = clock_deadline(PATIENCE); !(condition); pause) { \
		if (clock_now() >= until_)                                      \
			fail_msg("did not come true: %s", text);                \
	}

#define PROCESS_CLOSED (-1) // as a descriptor below: the child starts without it

struct process_spec {
	const char *const *arguments;	// the program first, NULL last
	const char *const *environment; // NAME=VALUE besides ours, NULL last; NULL: none
	int in, out, err;		// the child's descriptors; 0: /dev/null, captured, captured
	struct rlimit nofile, fsize;	// rlim_max 0: as ours
	void (*prepare)(void); // called in the child before exec; _exit there means failure
};

#define PROCESS(...) (&(struct process_spec){__VA_ARGS__})

// `arguments` and `environment`, from their words.
#define STRINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct process;

struct process *process_start(const struct process_spec *spec);
#define process_start_simple(...) process_start(PROCESS(.arguments = STRINGS(__VA_ARGS__)))

// Starts the program and waits for its end. Returns its exit status, 128 + the signal's number if
// one ended it.
int process_run(const struct process_spec *spec, struct process **process);

// The same with the program and its arguments, NULL last.
int process_run_simple(struct process **process, const char *program, ...)
	__attribute__((sentinel));

// Waits for its end; status as above.
int process_wait(struct process *process);

int process_is_running(struct process *process);
void process_signal(const struct process *process, int number);

// Between two signals of one number that are to count as two (base/signals.c).
void process_signal_pause(void);

// Stops it, and waits until all its threads stand still. It goes on with SIGCONT.
void process_stop(const struct process *process);

// Kills it and waits for its end.
void process_kill(struct process *process);

// Whether the signal is still on its way to the process, which need not be one of ours.
int process_is_pending(pid_t pid, int number);

pid_t process_pid(const struct process *process);

// What it has written so far to what is captured, `size` (may be NULL) its length; a zero byte
// follows. Valid until the next call for the same stream.
const char *process_output(struct process *process, size_t *size);
const char *process_errors(struct process *process, size_t *size);

// Waits until it has written `text` to standard error.
void process_expect_error_text(struct process *process, const char *text);

// How many lines `text` has; the last must be ended by a newline.
size_t process_count_lines(const char *text);

// From /proc: open descriptors, threads, resident memory in bytes, CPU time used so far in ns. The
// kernel's files, which the server reads now and then, do not count as descriptors.
size_t process_descriptors(const struct process *process);
size_t process_threads(const struct process *process);
size_t process_resident(const struct process *process);
uint64_t process_cpu_time(const struct process *process);

#endif
