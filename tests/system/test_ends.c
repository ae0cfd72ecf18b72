// Scenario: programs must end while their output is blocked: by a full pipe or socket, or by a
// terminal stopped with Ctrl-S. And a program that is process 1.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cmdline.h"
#include "blocked.h"
#include "ctl.h"
#include "load.h"
#include "odd_server.h"
#include "stats.h"

#ifndef SYS_poll // newer machines have only this
#define SYS_poll SYS_ppoll
#endif

#define ARGUMENTS 10
#define KILLED (-1) // in place of a status: by the signal

static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU};

#define SILENT "@silent" // the address of a server that does not answer

#define LOAD_100 ECHOLOAD_PROGRAM, WORD_ADDRESS, "-n", "100"

enum stream { OUTPUT, ERRORS };

static const struct row {
	enum stream blocked;
	int status;
	const char *arguments[ARGUMENTS];
	size_t stays_connected; // how many connections it has then
} rows[] = {
	{OUTPUT, EXIT_UNREACHABLE, {ECHOCAT_PROGRAM, WORD_ADDRESS, "-c", "3"}, 0},
	{OUTPUT, EXIT_UNREACHABLE, {ECHOCAT_PROGRAM, WORD_ADDRESS, "-c", "0"}, 1},
	{OUTPUT, KILLED, {ECHOCAT_PROGRAM, WORD_ADDRESS, "-m", "text"}, 0},
	{OUTPUT, KILLED, {ECHOCAT_PROGRAM, WORD_ADDRESS}, 0},
	{OUTPUT, KILLED, {ECHOCAT_PROGRAM, "--help"}, 0},
	{ERRORS, KILLED, {ECHOCAT_PROGRAM, "--none"}, 0},
	{OUTPUT, KILLED, {ECHOCTL_PROGRAM, "-c", WORD_CONTROL, "stats"}, 0},
	{OUTPUT, EXIT_OK, {ECHOCTL_PROGRAM, "-c", WORD_CONTROL, "stats", "-w", "10ms"}, 0},
	{ERRORS, KILLED, {ECHOCTL_PROGRAM, "-c", "/nowhere", "stats"}, 0},
	{OUTPUT, EXIT_UNREACHABLE, {LOAD_100, "--json", WORD_OUTPUT}, 0},
	{OUTPUT, EXIT_UNREACHABLE, {LOAD_100, "--json", "-"}, 0},
	{ERRORS, EXIT_CHECK_FAILED, {LOAD_100, "--json", WORD_OUTPUT, "--expect=messages==1"}, 0},
	{OUTPUT, KILLED, {ECHOLOAD_PROGRAM, "merge", WORD_RESULT}, 0},
	{ERRORS, KILLED, {ECHOLOAD_PROGRAM, "compare", WORD_RESULT, WORD_RESULT}, 0},
	{OUTPUT, KILLED, {ECHOLOAD_PROGRAM, "report", "--help"}, 0},
	{OUTPUT, KILLED, {ECHOD_PROGRAM, "--help"}, 0},
	{ERRORS, KILLED, {ECHOD_PROGRAM, "--none"}, 0},
};
#define ROWS COUNT_OF(rows)

// A row that is carried out.
struct play {
	const struct row *row;
	struct blocked blocked;
	struct process *process;
	const char *output; // a file's path, NULL: it has none
	int number;	    // of the signal
};

static void begin(struct play *play, const struct daemon *daemon, const char *result,
		  size_t index) {
	const char *arguments[ARGUMENTS + 1] = {NULL};
	const char *output = place_path(test_text("output-%zu", index));
	for (size_t i = 0; i < ARGUMENTS && play->row->arguments[i]; i++) {
		arguments[i] = words_put_in(play->row->arguments[i], daemon, result, output);
		if (arguments[i] == output)
			play->output = output;
	}
	int input = open(ECHOD_PROGRAM, O_RDONLY | O_CLOEXEC); // for echocat, more than enough
	struct process_spec spec = {.arguments = arguments, .in = input};
	*(play->row->blocked == ERRORS ? &spec.err : &spec.out) = play->blocked.writer;
	play->process = process_start(&spec);
	close(input);
}

// Whether its main thread waits in a call that may be for its output.
static int is_waiting(const struct process *process) {
	long number = -1;
	FILE *file = fopen(test_text("/proc/%d/syscall", process_pid(process)), "re");
	assert_non_null(file);
	int found = fscanf(file, "%ld", &number); // "running" otherwise
	fclose(file);
	return found == 1 && (number == SYS_poll || number == SYS_ppoll || number == SYS_write);
}

// Whether `count` connections are open, each with an echo that has been sent.
static int are_echoed(struct daemon *daemon, size_t count) {
	const json_t *list = json_object_get(stats_ask(daemon, "connections json"), "connections");
	size_t echoed = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *sent = json_object_get(json_array_get(list, i), "bytes_sent");
		echoed += json_integer_value(sent) > 0;
	}
	return json_array_size(list) == count && echoed == count;
}

// Whether it has done its work, and prints: before that a signal has another effect.
static int is_printing(const struct play *play) {
	return (!play->output || place_exists(play->output)) && is_waiting(play->process);
}

static void expect_end(struct play *play) {
	int status = process_wait(play->process);
	int wanted = play->row->status == KILLED ? 128 + play->number : play->row->status;
	if (status != wanted)
		fail_msg("%s %s …, a %s, signal %d: status %d, not %d", play->row->arguments[0],
			 play->row->arguments[1], blocked_names[play->blocked.kind], play->number,
			 status, wanted);
	if (play->output) {
		json_t *result = load_result_of_file(play->output);
		assert_int_equal(load_count(result, "messages"), 100);
	}
	blocked_close(&play->blocked);
}

// All at once, as each may take half a second after its signal.
DAEMON_TEST(tools_end, (NULL)) {
	const char *result = place_path("result");
	struct process *first;
	LOAD(&first, daemon->address[0], "-n", "100", "--json", result);
	static struct play plays[ROWS * BLOCKED_KINDS];
	// A sanitizer makes each slow: one kind for each row then.
	size_t count = sizeof(ECHOD_SANITIZE) > 1 ? ROWS : COUNT_OF(plays);
	size_t open = 0;
	for (size_t i = 0; i < count; i++) {
		struct play *play = &plays[i];
		*play = (struct play){.row = &rows[i % ROWS], .number = ending[i % 5]};
		blocked_open(&play->blocked, (enum blocked_kind)((i / ROWS + i) % BLOCKED_KINDS));
		begin(play, daemon, result, i);
		open += play->row->stays_connected;
	}
	for (size_t i = 0; i < count; i++)
		wait_until(is_printing(&plays[i]));
	wait_until(are_echoed(daemon, open));
	for (size_t i = 0; i < count; i++)
		process_signal(plays[i].process, plays[i].number);
	for (size_t i = 0; i < count; i++)
		expect_end(&plays[i]);
}

TEST(server_ends) {
	static const int ends[] = {SIGTERM, SIGINT, SIGHUP, 0}; // 0: by a request
	for (size_t i = 0; i < COUNT_OF(ends) * BLOCKED_KINDS; i++) {
		struct blocked blocked;
		blocked_open(&blocked, (enum blocked_kind)(i % BLOCKED_KINDS));
		struct daemon *daemon =
			daemon_spawn(PROCESS(.arguments = STRINGS(NULL), .out = blocked.writer,
					     .err = blocked.writer));
		wait_until(ctl_is_live(daemon->control));
		if (ends[i / BLOCKED_KINDS] != 0)
			process_signal(daemon->process, ends[i / BLOCKED_KINDS]);
		else
			assert_int_equal(ctl_request(daemon->control, "drain", NULL), 200);
		assert_int_equal(process_wait(daemon->process), EXIT_OK);
		assert_false(place_exists(daemon->control));
		blocked_close(&blocked);
	}
}

// Its reason goes into a full pipe.
TEST(server_that_cannot_start_ends) {
	struct blocked blocked;
	blocked_open(&blocked, BLOCKED_PIPE);
	struct daemon *daemon = daemon_spawn(
		PROCESS(.arguments = STRINGS("--listen", "203.0.113.1:1"), .err = blocked.writer));
	assert_int_equal(process_wait(daemon->process), EXIT_UNREACHABLE);
	blocked_close(&blocked);
}

#define UNABLE 99 // no namespace of processes here

static int first_pid[2]; // a pipe for the number of the first process, as the test sees it

// Goes on as process 1 of a namespace, whose status the parent takes over.
static void become_first(void) {
	int status;
	if (unshare(CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0)
		_exit(UNABLE);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	if (child < 0 || write(first_pid[1], &child, sizeof(child)) != sizeof(child) ||
	    waitpid(child, &status, 0) != child)
		_exit(UNABLE);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

#define ALLOWED "--allow-client-bound"

static const struct first {
	int signals; // how many end it
	int status;
	const char *last; // among its last output
	const char *arguments[ARGUMENTS];
} firsts[] = {
	{1, EXIT_OK, " 0 mismatches\n", {ECHOCAT_PROGRAM, WORD_ADDRESS, "-c", "0", "-i", "10ms"}},
	{1, KILLED, "", {ECHOCAT_PROGRAM, WORD_ADDRESS}},
	{1, EXIT_OK, "", {ECHOCTL_PROGRAM, "-c", WORD_CONTROL, "stats", "-w", "1h"}},
	{1, EXIT_OK, "verdict", {ECHOLOAD_PROGRAM, WORD_ADDRESS, "-d", "never", ALLOWED}},
	{2, KILLED, "", {ECHOLOAD_PROGRAM, SILENT, "-d", "never"}},
};

static int is_busy(const struct first *first, struct daemon *daemon,
		   const struct odd_server *silent, struct process *process) {
	if (first->signals > 1)
		return odd_received(silent) > 0;
	return *process_output(process, NULL) || stats_counter(daemon, "bytes_received") > 100000;
}

static struct process *start_first(const struct first *first, struct daemon *daemon,
				   const struct odd_server *silent, int input) {
	const char *arguments[ARGUMENTS + 1] = {NULL};
	for (size_t i = 0; i < ARGUMENTS && first->arguments[i]; i++)
		arguments[i] = strcmp(first->arguments[i], SILENT) == 0
				       ? silent->address
				       : words_put_in(first->arguments[i], daemon, NULL, NULL);
	return process_start(PROCESS(.arguments = arguments, .in = input, .prepare = become_first));
}

// Returns the status that it must end with.
static int end_first(const struct first *first, pid_t pid, int number) {
	for (int i = 0; i < first->signals; i++) {
		kill(pid, number);
		wait_until(!process_is_pending(pid, number));
		process_signal_pause();
	}
	return first->status == KILLED ? 128 + number : first->status;
}

static void play_first(const struct first *first, struct daemon *daemon,
		       const struct odd_server *silent, int number) {
	int input[2];
	pid_t pid;
	assert_true(pipe2(first_pid, O_CLOEXEC) == 0 && pipe2(input, O_CLOEXEC) == 0);
	assert_int_equal(write(input[1], "hello\n", 6), 6);
	struct process *process = start_first(first, daemon, silent, input[0]);
	close(first_pid[1]);
	if (read(first_pid[0], &pid, sizeof(pid)) == sizeof(pid)) {
		wait_until(is_busy(first, daemon, silent, process));
		int wanted = end_first(first, pid, number);
		assert_int_equal(process_wait(process), wanted);
		assert_contains(process_output(process, NULL), first->last);
	} else {
		assert_int_equal(process_wait(process), UNABLE);
		print_message("no namespace of processes here: process 1 is left out\n");
	}
	close(first_pid[0]);
	close(input[0]);
	close(input[1]);
}

TEST(process_1_ends) {
	for (size_t i = 0; i < COUNT_OF(firsts); i++) {
		struct daemon *daemon = daemon_start(NULL);
		struct odd_server *silent = odd_server(ODD_SILENT);
		play_first(&firsts[i], daemon, silent, ending[i]);
		daemon_stop(daemon);
	}
}
