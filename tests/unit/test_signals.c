// Signals in our programs: base/signals, in children of the test.
#include "expect.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/signals.h"

// Runs `body` in a child. Returns its child_status().
static int in_child(void (*body)(int number), int number) {
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 0); // SIGQUIT and SIGXCPU leave no core
		body(number);
		_exit(0);
	}
	return child_status(child);
}

static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU};

static void raise_it(int number) {
	signals_open(NULL);
	kill(getpid(), number);
}

static void raise_it_blocked_and_ignored(int number) {
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(number, SIG_IGN);
	raise_it(number);
}

TEST(ending_signals_end) {
	for (size_t i = 0; i < COUNT_OF(ending); i++) {
		assert_int_equal(in_child(raise_it, ending[i]), 128 + ending[i]);
		// As below nohup, or in a background job of a script.
		assert_int_equal(in_child(raise_it_blocked_and_ignored, ending[i]),
				 ending[i] == SIGHUP ? 0 : 128 + ending[i]);
	}
}

TEST(others_do_nothing) {
	static const int numbers[] = {SIGPIPE,	 SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM,
				      SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSTKFLT};
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		assert_int_equal(in_child(raise_it, numbers[i]), 0);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		assert_int_equal(in_child(raise_it, number), 0);
}

static bool is_readable(int fd) {
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

static int other_than(int number) { return number == SIGTERM ? SIGINT : SIGTERM; }

static void heed_two(int number) {
	signals_open(NULL);
	signals_heed(2);
	for (int i = 1; i <= 2; i++) {
		bool before = is_readable(signals_fd());
		kill(getpid(), number);
		kill(getpid(), number); // at once, as timeout(1) does: to its child, to its group
		if (before || signals_caught() != i || !is_readable(signals_fd()))
			_exit(1);
		signals_clear();
		signals_clear(); // does not wait for another
		if (i == 1)
			poll(NULL, 0, 100);
	}
	if (is_readable(signals_fd()))
		_exit(2);
	kill(getpid(), other_than(number)); // at once, and not the same
}

static void say_farewell(void) { (void)!write(STDOUT_FILENO, "\n", 1); }

static void end_well(int number) {
	signals_open(NULL);
	signals_end_well(say_farewell);
	kill(getpid(), number);
	_exit(1);
}

TEST(those_heeded_are_counted_and_one_more_ends_and_a_farewell_is_a_good_end) {
	for (size_t i = 0; i < COUNT_OF(ending); i++) {
		assert_int_equal(in_child(heed_two, ending[i]), 128 + other_than(ending[i]));
		assert_int_equal(in_child(end_well, ending[i]), 0);
	}
}

static int reached; // the child writes here once it has got so far

static void hold_back(int number) {
	signals_open(NULL);
	signals_hold(true);
	kill(getpid(), number);
	(void)!write(reached, "", 1);
	signals_hold(false);
	_exit(1);
}

TEST(a_signal_held_back_comes_later) {
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	reached = ends[1];
	assert_int_equal(in_child(hold_back, SIGTERM), 128 + SIGTERM);
	assert_true(is_readable(ends[0]));
	close(ends[0]);
	close(ends[1]);
}
