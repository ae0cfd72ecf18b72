// The server's system calls are made hard, or lie, by strace. What is only hard, no client notices.
// A lie costs bytes or changes them: echoload has to notice. In CI in one mode of echoload and with
// one way to wait; with TORTURE_ALL=1 in all.
#include <sys/stat.h>

#include "stats.h"

static const struct lie {
	const char *name, *inject; // as strace takes it; `when` counts by thread
	bool is_lie;
} lies[] = {
	{"interrupted accepting", "accept4:error=EINTR:when=1+2", false},
	{"interrupted receiving", "recvfrom:error=EINTR:when=1+2", false},
	{"interrupted sending", "sendto:error=EINTR:when=1+2", false},
	{"interrupted events", "epoll_wait,epoll_pwait:error=EINTR:when=1+2", false},
	{"interrupted poll", "poll:error=EINTR:when=2+3", false},
	{"clients that left", "accept4:error=ECONNABORTED:when=1+2", false},
	{"descriptors that come back", "accept4:error=EMFILE:when=1+3", false},
	{"events without memory", "epoll_ctl:error=ENOMEM:when=2", false},
	{"slow receiving", "recvfrom:delay_exit=1000:when=1+5", false},
	{"slow sending", "sendto:delay_enter=1000:when=1+5", false},
	{"slow events", "epoll_wait,epoll_pwait:delay_exit=1000:when=1+5", false},
	{"bytes said to be sent", "sendto:retval=64:when=9..12", true},
	{"bytes said to be received", "recvfrom:retval=64:when=9..12", true},
	{"a byte that is changed", "recvfrom:poke_exit=@arg2=00:when=9..12", true},
	{"a connection that is reset", "sendto:error=ECONNRESET:when=9..12", true},
};

static const char *const loads[] = {"ping", "stream", "churn"};
static const char *const patiences[] = {"5ms", "0"};

// echod below strace, which notes what it does to it in the file `notes`. With -D the parent sees
// the server and not strace.
static const char *write_script(const struct lie *lie, const char *notes) {
	int names = (int)strcspn(lie->inject, ":");
	const char *text =
		test_text("#!/bin/sh\n"
			  "exec strace -D -f -qq -o %s -e trace=%.*s -e inject=%s %s \"$@\"\n",
			  notes, names, lie->inject, lie->inject, ECHOD_PROGRAM);
	const char *script = place_file("traced", text, strlen(text));
	assert_int_equal(chmod(script, 0700), 0);
	return script;
}

static void tell(const struct lie *lie, const char *load, const char *patience) {
	const char *notes = place_path("notes");
	daemon_program = write_script(lie, notes);
	struct daemon *daemon = daemon_start("-w", "1", "--patience", patience, NULL);
	struct process *process;
	int status = process_run_simple(&process, ECHOLOAD_PROGRAM, daemon->address[0], "-c", "2",
					"-m", load, "-s", "64", "-n", "300", "--timeout", "2s",
					"--no-experiment", "--allow-client-bound");
	if (status != lie->is_lie)
		fail_msg("%s, patience %s: status %d, %s%s", load, patience, status,
			 process_errors(process, NULL), process_output(process, NULL));
	daemon_stop(daemon);
	if (!lie->is_lie)
		wait_until(process_run_simple(&process, "grep", "-qE", "INJECTED|DELAYED", notes) ==
			   0);
	test_clean_up();
}

TEST_ROWS(lie, const struct lie *lie, lies) {
	bool all = getenv("TORTURE_ALL");
	for (size_t i = 0; i < (all ? COUNT_OF(loads) : 1); i++)
		for (size_t j = 0; j < (all ? COUNT_OF(patiences) : 1); j++)
			tell(lie, loads[i], patiences[j]);
}
