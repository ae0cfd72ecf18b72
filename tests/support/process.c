#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// A captured stream goes into a file in memory: it never makes the child wait, and can be read at
// any time.
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

// As a program starts in a terminal: a shell ignores SIGINT for its background jobs. All signals
// are blocked until then, so that none is lost meanwhile.
static void reset_signals(void) {
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

// The program itself, or its copy with counters (tests/mcdc).
static const char *find_copy(const char *program) {
	const char *folder = getenv("ECHOD_TEST_FOLDER"), *name = strrchr(program, '/');
	const char *copy = folder && name ? test_text("%s%s", folder, name) : program;
	return access(copy, X_OK) == 0 ? copy : program;
}

// In the child. Only what is safe after fork.
_Noreturn static void become(const char *program, const struct process_spec *spec,
			     const int streams[3]) {
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
	execvp(program, (char *const *)(uintptr_t)spec->arguments);
	_exit(127);
}

pid_t process_fork(void) {
	pid_t parent = getpid(), child = fork();
	if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
		_exit(126);
	return child;
}

void process_cover(const char *path, unsigned long flags) {
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", path, "tmpfs", flags, NULL) != 0)
		_exit(126);
}

static int stream_for(int wanted, struct capture *capture, const char *name) {
	capture->fd = -1;
	if (wanted != 0)
		return wanted;
	capture->fd = memfd_create(name, MFD_CLOEXEC);
	assert_true(capture->fd >= 0);
	// The kernel does not lock the position of a memfd: two threads would overwrite each other.
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
	const char *program = find_copy(spec->arguments[0]);
	sigset_t all, ours;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &ours);
	process->pid = process_fork();
	if (process->pid == 0)
		become(program, spec, streams);
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

void process_expect_status(struct process *process, int status) {
	if (process_wait(process) != status)
		fail_msg("%s ended with %d, not %d: %s", process->name, process->status, status,
			 process_errors(process, NULL));
}

struct process *process_run_to(int status, const struct process_spec *spec) {
	struct process *process = process_start(spec);
	process_expect_status(process, status);
	return process;
}

bool process_starts(struct process *process) {
	wait_until(strchr(process_output(process, NULL), '\n') || !process_is_running(process));
	return process_is_running(process);
}

void process_end(struct process *process) {
	process_signal(process, SIGTERM);
	assert_int_equal(process_wait(process), 0);
}

void process_signal(const struct process *process, int number) {
	assert_int_equal(process->status, -1);
	assert_int_equal(kill(process->pid, number), 0);
}

void process_signal_pause(void) { poll(NULL, 0, 100); }

void process_stop(const struct process *process) {
	process_signal(process, SIGSTOP);
	siginfo_t change;
	assert_int_equal(waitid(P_PID, (id_t)process->pid, &change, WSTOPPED), 0);
	assert_int_equal(change.si_code, CLD_STOPPED);
}

void process_kill(struct process *process) {
	process_signal(process, SIGKILL);
	assert_int_equal(process_wait(process), 128 + SIGKILL);
}

pid_t process_pid(const struct process *process) { return process->pid; }

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
	wait_or_fail(strstr(process_errors(process, NULL), text), "no '%s' in: %s", text,
		     process_errors(process, NULL));
}

size_t process_count_lines(const char *text) {
	size_t lines = 0;
	for (const char *end = text; (end = strchr(end, '\n')); end++)
		lines++;
	size_t length = strlen(text);
	assert_true(length == 0 || text[length - 1] == '\n');
	return lines;
}

const char *process_expect_complaint(struct process *process, const char *program,
				     const char *const *texts) {
	const char *line = process_errors(process, NULL);
	if (process_count_lines(line) != 1 || strncmp(line, program, strlen(program)) != 0)
		fail_msg("not one line of %s's: %s", program, line);
	for (; *texts; texts++)
		assert_contains(line, *texts);
	assert_string_equal(process_output(process, NULL), "");
	return line;
}

static bool holds(int directory, const char *number) {
	char target[64] = "";
	ssize_t length = readlinkat(directory, number, target, sizeof(target) - 1);
	return length > 0 && strncmp(target, "/proc/", 6) != 0 && strncmp(target, "/sys/", 5) != 0;
}

bool process_holds(const struct process *process, size_t descriptor) {
	return holds(AT_FDCWD, test_text("/proc/%d/fd/%zu", process->pid, descriptor));
}

size_t process_descriptors(const struct process *process) {
	DIR *directory = opendir(test_text("/proc/%d/fd", process->pid));
	assert_non_null(directory);
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(directory));)
		count += holds(dirfd(directory), entry->d_name);
	closedir(directory);
	return count;
}

// The number after `key` in /proc/PID/status; 0 if there is none.
static size_t read_status(pid_t pid, const char *key, int base) {
	char line[256];
	size_t value = 0;
	FILE *file = fopen(test_text("/proc/%d/status", pid), "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoul(line + strlen(key), NULL, base);
	if (file)
		fclose(file);
	return value;
}

int process_is_pending(pid_t pid, int number) {
	return (read_status(pid, "ShdPnd:", 16) & 1UL << (number - 1)) != 0;
}

size_t process_threads(const struct process *process) {
	size_t threads = read_status(process->pid, "Threads:", 10);
	assert_true(threads > 0);
	return threads;
}

size_t process_resident(const struct process *process) {
	size_t kilobytes = read_status(process->pid, "VmRSS:", 10);
	assert_true(kilobytes > 0);
	return kilobytes * 1024;
}

size_t process_named_threads(pid_t pid, const char *prefix) {
	size_t count = 0;
	glob_t found;
	int failed = glob(test_text("/proc/%d/task/*/comm", pid), 0, NULL, &found);
	for (size_t i = 0; !failed && i < found.gl_pathc; i++) {
		char name[32];
		FILE *file = fopen(found.gl_pathv[i], "re"); // NULL: it has just ended
		count += file && fgets(name, sizeof(name), file) &&
			 strncmp(name, prefix, strlen(prefix)) == 0;
		if (file)
			fclose(file);
	}
	globfree(&found);
	return count;
}

uint64_t process_cpu_time(const struct process *process) {
	char line[1024];
	FILE *file = fopen(test_text("/proc/%d/stat", process->pid), "re");
	assert_non_null(file);
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

void process_forget(struct process *process) {
	struct process **link = &processes;
	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	if (process->status < 0)
		end_left_over(process);
	close(process->pidfd);
	forget_capture(&process->out);
	forget_capture(&process->err);
	free(process);
}

static void end_all(void) {
	while (processes)
		process_forget(processes);
}
CLEANUP(end_all, 0)
