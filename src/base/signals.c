#include "base/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define ECHO_TIME (50 * NS_PER_MS) // a user takes longer to send a second one

enum effect {
	END,
	END_UNLESS_IGNORED, // when the program starts
	IGNORE,
	DEFAULT,
};

// A signal that is neither here nor a real-time signal has the kernel's default: a crash, a stop.
static const struct {
	int number;
	enum effect effect;
} effects[] = {
	{SIGTERM, END},
	{SIGINT, END}, // also in a background job of a script, where it is inherited as ignored
	{SIGQUIT, END},
	{SIGXCPU, END},		      // the soft limit: there is time left to save results
	{SIGHUP, END_UNLESS_IGNORED}, // nohup
	{SIGPIPE, IGNORE},	      // the write fails when the reader has left
	{SIGXFSZ, IGNORE},	      // and when a file has grown to its limit
	{SIGUSR1, IGNORE},
	{SIGUSR2, IGNORE},
	{SIGALRM, IGNORE},
	{SIGVTALRM, IGNORE},
	{SIGPROF, IGNORE},
	{SIGIO, IGNORE},
	{SIGPWR, IGNORE},
#ifdef SIGSTKFLT
	{SIGSTKFLT, IGNORE},
#endif
	{SIGCHLD, DEFAULT}, // if it is ignored, the exit status of a child is lost
};
#define EFFECTS (sizeof(effects) / sizeof(effects[0]))

static volatile sig_atomic_t heeded;
static volatile sig_atomic_t caught;
static void (*volatile farewell_call)(void);
static int event = -1;

static sigset_t ending_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < EFFECTS; i++) {
		if (effects[i].effect <= END_UNLESS_IGNORED)
			sigaddset(&set, effects[i].number);
	}
	return set;
}

// Process 1 survives a signal that has its default action, so it has to exit by itself.
static _Noreturn void end(int number)
{
	sigset_t set;
	if (farewell_call) {
		farewell_call();
		_exit(EXIT_SUCCESS);
	}
	sigemptyset(&set);
	sigaddset(&set, number);
	signal(number, SIG_DFL);
	pthread_kill(pthread_self(), number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + number);
}

// timeout(1) and similar programs pass a signal on to their child and to its group. So it comes
// twice at once and counts once.
static bool is_echo(int number)
{
	static int last;
	static uint64_t last_at;
	uint64_t now = clock_now();
	if (number == last && now - last_at < ECHO_TIME)
		return true;
	last = number;
	last_at = now;
	return false;
}

static void take(int number)
{
	int before = errno;
	if (is_echo(number))
		return;
	if (caught >= heeded)
		end(number);
	caught = caught + 1;
	(void)!write(event, &(uint64_t){1}, sizeof(uint64_t));
	errno = before;
}

static void set_effect(int number, enum effect effect)
{
	// Without SA_RESTART: a call that waits returns, so that its caller sees the signal.
	struct sigaction action = {.sa_handler = take, .sa_mask = ending_signals()};
	struct sigaction before;
	if (effect == END_UNLESS_IGNORED && sigaction(number, NULL, &before) == 0 &&
	    before.sa_handler == SIG_IGN)
		return;
	if (effect > END_UNLESS_IGNORED)
		action.sa_handler = effect == IGNORE ? SIG_IGN : SIG_DFL;
	sigaction(number, &action, NULL);
}

int signals_open(struct echod_error *error)
{
	sigset_t none;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "cannot create an eventfd for signals: %s", error_text(errno));
#ifdef __SANITIZE_THREAD__ // GCC 12 loses signals that come during the first call that can wait
	poll(NULL, 0, 0);
#endif
	for (size_t i = 0; i < EFFECTS; i++)
		set_effect(effects[i].number, effects[i].effect);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		set_effect(number, IGNORE);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	return 0;
}

void signals_heed(int most)
{
	heeded = most;
}

int signals_caught(void)
{
	return caught;
}

int signals_fd(void)
{
	return event;
}

void signals_clear(void)
{
	(void)!read(event, &(uint64_t){0}, sizeof(uint64_t));
}

void signals_end_well(void (*farewell)(void))
{
	farewell_call = farewell;
}

void signals_hold(bool hold)
{
	sigset_t set = ending_signals();
	pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}
