// Programs as children of the test: started with arguments, environment and limits, their output
// captured, ended at the latest when the test ends. Any failure here fails the test. One thread.
#ifndef ECHOD_TESTS_PROCESS_H
#define ECHOD_TESTS_PROCESS_H

#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/clock.h"
#include "test.h"

// How long a fact may take to become true before the test fails: never reached on a sound server,
// so it is generous for slow and busy machines.
#define PATIENCE (60 * NS_PER_S)

#define wait_until(condition) wait_or_fail(condition, "did not come true: %s", #condition)

// The same with a message of one's own, a format and its values.
#define wait_or_fail(condition, ...) wait_with_(condition, poll(NULL, 0, 2), __VA_ARGS__)

#define yield_until(condition) /* it comes at once */ \
	wait_with_(condition, sched_yield(), "did not come true: %s", #condition)

#define wait_with_(condition, pause, ...)                                       \
	for (uint64_t until_ = clock_deadline(PATIENCE); !(condition); pause) { \
		if (clock_now() >= until_)                                      \
			fail_msg(__VA_ARGS__);                                  \
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

#define SPEC(...) PROCESS(.arguments = STRINGS(__VA_ARGS__))

struct process;

struct process *process_start(const struct process_spec *spec);
#define process_start_simple(...) process_start(SPEC(__VA_ARGS__))

// Starts the program and waits for its end. Returns its exit status, 128 + the signal's number if
// one ended it.
int process_run(const struct process_spec *spec, struct process **process);

#define process_run_simple(process, ...) process_run(SPEC(__VA_ARGS__), process)

// The same, and it must end with that status; EXPECT_STATUS takes the arguments alone.
struct process *process_run_to(int status, const struct process_spec *spec);
#define EXPECT_STATUS(status, ...) process_run_to(status, SPEC(__VA_ARGS__))

// What a program prints that must end with status 0.
#define OUTPUT_OF(...) process_output(EXPECT_STATUS(0, __VA_ARGS__), NULL)

// Waits for its end; status as above.
int process_wait(struct process *process);

// Waits for its end, which must be with that status.
void process_expect_status(struct process *process, int status);

// Waits until it has written a line to standard output. Returns false if it has ended instead.
bool process_starts(struct process *process);

// Asks with SIGTERM and expects status 0.
void process_end(struct process *process);

int process_is_running(struct process *process);
void process_signal(const struct process *process, int number);

// Separates two signals of one number that are to count as two (base/signals.c).
void process_signal_pause(void);

// Stops it, and waits until all its threads stand still. It goes on with SIGCONT.
void process_stop(const struct process *process);

// Kills it and waits for its end.
void process_kill(struct process *process);

// Whether the signal has not reached the process yet, which need not be one of ours.
int process_is_pending(pid_t pid, int number);

// How many threads of a process, which need not be one of ours, have names that begin like this.
size_t process_named_threads(pid_t pid, const char *prefix);

// fork(2), but the child dies with its parent.
pid_t process_fork(void);

// For `prepare`: an empty file system, mounted with `flags`, covers `path`.
void process_cover(const char *path, unsigned long flags);

// Kills it if it still runs, and shows its errors then; and frees it, as the end of a test does.
void process_forget(struct process *process);

pid_t process_pid(const struct process *process);

// What it has written so far to a captured stream, `size` (may be NULL) its length; a zero byte
// follows. Valid until the next call for the same stream.
const char *process_output(struct process *process, size_t *size);
const char *process_errors(struct process *process, size_t *size);

// Wants one line on standard error, which begins with `program` and holds each of `texts` (NULL
// last), and nothing on standard output. Returns the line.
const char *process_expect_complaint(struct process *process, const char *program,
				     const char *const *texts);

// Waits until it has written `text` to standard error.
void process_expect_error_text(struct process *process, const char *text);

// How many lines `text` has; the last must be ended by a newline.
size_t process_count_lines(const char *text);

// From /proc: open descriptors, threads, resident memory in bytes, CPU time used so far in ns. The
// kernel's files, which the server reads now and then, do not count as descriptors.
size_t process_descriptors(const struct process *process);
bool process_holds(const struct process *process, size_t descriptor);
size_t process_threads(const struct process *process);
size_t process_resident(const struct process *process);
uint64_t process_cpu_time(const struct process *process);

#endif
