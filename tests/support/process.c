// Programs as children of the test. One thread.
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test.h"

#define MAX_ARGUMENTS 32

// A stream that is captured goes into a file in memory: it never makes the child wait, and can be
// looked at at any time.
struct capture {
	int fd; // -1: not captured
	char *text;
};

struct process {
	struct process *next;
	pid_t pid;
	int pidfd;
	int status; // as process_wait returns it; -1: still running
	struct capture out, err;
	char name[64];
};

static struct process *processes;

static int set_limit(int resource, const struct rlimit *limit) {
	return limit->rlim_max == 0 ? 0 : setrlimit((__rlimit_resource_t)resource, limit);
}

// Puts `fd` in the place of descriptor `target`, or closes that.
static void place_descriptor(int fd, int target) {
	if (fd == PROCESS_CLOSED)
		close(target);
	else if (dup2(fd, target) < 0)
		_exit(126);
}

// As a program starts in a terminal: a shell ignores SIGINT for what runs in its background. All
// are blocked until then, so that none is lost meanwhile.
static void reset_signals(void) {
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

// In the child. Only what is safe after fork.
_Noreturn static void become(const struct process_spec *spec, const int streams[3], pid_t parent) {
	// The child must not outlive the test, however that ends.
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(126);
	reset_signals();
	for (int i = 0; i < 3; i++)
		place_descriptor(streams[i], i);
	for (size_t i = 0; spec->environment && spec->environment[i]; i++)
		putenv((char *)(uintptr_t)spec->environment[i]);
	if (spec->prepare)
		spec->prepare();
	if (set_limit(RLIMIT_NOFILE, &spec->nofile) != 0 ||
	    set_limit(RLIMIT_FSIZE, &spec->fsize) != 0)
		_exit(126);
	execvp(spec->arguments[0], (char *const *)(uintptr_t)spec->arguments);
	_exit(127);
}

static int stream_for(int wanted, struct capture *capture, const char *name) {
	capture->fd = -1;
	if (wanted != 0)
		return wanted;
	capture->fd = memfd_create(name, MFD_CLOEXEC);
	assert_true(capture->fd >= 0);
	// Of a memfd the kernel does not lock the position: two threads would write over each
	// other.
	assert_int_equal(fcntl(capture->fd, F_SETFL, O_APPEND), 0);
	return capture->fd;
}

struct process *process_start(const struct process_spec *spec) {
	struct process *process = calloc(1, sizeof(*process));
	assert_non_null(process);
	process->status = -1;
	snprintf(process->name, sizeof(process->name), "%s", spec->arguments[0]);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(null >= 0);
	int streams[3] = {spec->in ? spec->in : null,
			  stream_for(spec->out, &process->out, "stdout"),
			  stream_for(spec->err, &process->err, "stderr")};
	pid_t parent = getpid();
	sigset_t all, ours;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &ours);
	process->pid = fork();
	if (process->pid == 0)
		become(spec, streams, parent);
	pthread_sigmask(SIG_SETMASK, &ours, NULL);
	assert_true(process->pid >= 0);
	close(null);
	process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	assert_true(process->pidfd >= 0);
	process->next = processes;
	processes = process;
	return process;
}

static void reap(struct process *process) {
	int status;
	assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
	process->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int process_is_running(struct process *process) {
	struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
	if (process->status < 0 && poll(&ended, 1, 0) == 1)
		reap(process);
	return process->status < 0;
}

int process_wait(struct process *process) {
	if (process->status >= 0)
		return process->status;
	struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
	if (poll(&ended, 1, (int)(PATIENCE / NS_PER_MS)) != 1)
		fail_msg("%s does not end", process->name);
	reap(process);
	return process->status;
}

int process_run(const struct process_spec *spec, struct process **process) {
	*process = process_start(spec);
	return process_wait(*process);
}

int process_run_simple(struct process **process, const char *program, ...) {
	const char *arguments[MAX_ARGUMENTS] = {program};
	va_list list;
	va_start(list, program);
	for (size_t i = 1; (arguments[i] = va_arg(list, const char *)); i++)
		assert_true(i + 1 < MAX_ARGUMENTS);
	va_end(list);
	return process_run(PROCESS(.arguments = arguments), process);
}

int process_is_pending(pid_t pid, int number) {
	char path[64];
	char line[256];
	unsigned long long mask = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	int found = 0;
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "ShdPnd: %llx", &mask) == 1;
	if (file)
		fclose(file);
	return (mask & 1ULL << (number - 1)) != 0;
}

void process_signal(const struct process *process, int number) {
	assert_int_equal(process->status, -1);
	assert_int_equal(kill(process->pid, number), 0);
}

void process_signal_pause(void) {
	poll(NULL, 0, 100);
}

void process_stop(const struct process *process) {
	process_signal(process, SIGSTOP);
	siginfo_t what;
	assert_int_equal(waitid(P_PID, (id_t)process->pid, &what, WSTOPPED), 0);
	assert_int_equal(what.si_code, CLD_STOPPED);
}

void process_kill(struct process *process) {
	process_signal(process, SIGKILL);
	assert_int_equal(process_wait(process), 128 + SIGKILL);
}

pid_t process_pid(const struct process *process) {
	return process->pid;
}

static const char *read_capture(struct capture *capture, size_t *size) {
	assert_true(capture->fd >= 0);
	struct stat status;
	assert_int_equal(fstat(capture->fd, &status), 0);
	size_t length = (size_t)status.st_size;
	capture->text = realloc(capture->text, length + 1);
	assert_non_null(capture->text);
	assert_int_equal(pread(capture->fd, capture->text, length, 0), length);
	capture->text[length] = '\0';
	if (size)
		*size = length;
	return capture->text;
}

const char *process_output(struct process *process, size_t *size) {
	return read_capture(&process->out, size);
}

const char *process_errors(struct process *process, size_t *size) {
	return read_capture(&process->err, size);
}

void process_expect_error_text(struct process *process, const char *text) {
	uint64_t deadline = clock_deadline(PATIENCE);
	while (!strstr(process_errors(process, NULL), text)) {
		if (clock_now() >= deadline)
			fail_msg("no '%s' in: %s", text, process_errors(process, NULL));
		poll(NULL, 0, 2);
	}
}

size_t process_count_lines(const char *text) {
	size_t lines = 0;
	for (const char *end = text; (end = strchr(end, '\n')); end++)
		lines++;
	size_t length = strlen(text);
	assert_true(length == 0 || text[length - 1] == '\n');
	return lines;
}

static FILE *open_proc(const struct process *process, const char *name) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", process->pid, name);
	FILE *file = fopen(path, "re");
	if (!file)
		fail_msg("cannot open %s: %s", path, strerror(errno));
	return file;
}

size_t process_descriptors(const struct process *process) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", process->pid);
	DIR *directory = opendir(path);
	assert_non_null(directory);
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(directory));) {
		char target[64] = "";
		ssize_t length =
			readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
		count += length > 0 && strncmp(target, "/proc/", 6) != 0 &&
			 strncmp(target, "/sys/", 5) != 0;
	}
	closedir(directory);
	return count;
}

// The number after `key` in /proc/PID/status.
static size_t read_status(const struct process *process, const char *key) {
	FILE *file = open_proc(process, "status");
	char line[256];
	size_t value = 0;
	int found = 0;
	while (!found && fgets(line, sizeof(line), file)) {
		found = strncmp(line, key, strlen(key)) == 0;
		value = strtoul(line + strlen(key) * (size_t)found, NULL, 10);
	}
	fclose(file);
	assert_true(found);
	return value;
}

size_t process_threads(const struct process *process) {
	return read_status(process, "Threads:");
}

size_t process_resident(const struct process *process) {
	return read_status(process, "VmRSS:") * 1024;
}

uint64_t process_cpu_time(const struct process *process) {
	FILE *file = open_proc(process, "stat");
	char line[1024];
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	const char *rest = strrchr(line, ')'); // the name before it may hold anything
	assert_non_null(rest);
	unsigned long user, system;
	assert_int_equal(sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	return (user + system) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void forget_capture(struct capture *capture) {
	if (capture->fd >= 0)
		close(capture->fd);
	free(capture->text);
}

// A test has failed before it came to the end of this process.
static void end_left_over(struct process *process) {
	const char *how = process_is_running(process) ? "was still running" : "had ended";
	if (process->status < 0) {
		kill(process->pid, SIGKILL);
		reap(process);
	}
	fprintf(stderr, "%s %s (status %d); its errors:\n%s", process->name, how, process->status,
		process->err.fd >= 0 ? process_errors(process, NULL) : "(not captured)\n");
}

// Kills and forgets every process; shows the errors of those that still ran.
static void end_all(void) {
	while (processes) {
		struct process *process = processes;
		processes = process->next;
		if (process->status < 0)
			end_left_over(process);
		close(process->pidfd);
		forget_capture(&process->out);
		forget_capture(&process->err);
		free(process);
	}
}
CLEANUP(end_all, 0)
