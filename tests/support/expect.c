// What several unit tests expect. Main thread.
#include "expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "process.h"

_Noreturn static void act_in_child(void (*act)(void *), void *argument) {
	struct rlimit none = {0};
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO); // the line about what cannot happen
	act(argument);
	_exit(0);
}

void expect_abort(void (*act)(void *), void *argument) {
	pid_t child = fork();
	if (child == 0)
		act_in_child(act, argument);
	assert_true(child > 0);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("it did not abort: wait status %x", (unsigned)status);
}

pthread_t thread_begin(void *(*run)(void *), void *argument) {
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
	return thread;
}

void *thread_end(pthread_t thread) {
	void *result;
	assert_int_equal(pthread_join(thread, &result), 0);
	return result;
}

size_t open_descriptors(void) {
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	size_t count = 0;
	for (const struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count - 1; // without the one that reads
}

static bool is_ours(const char *task) {
	char path[64];
	char name[7] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", task);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ours = fd >= 0 && read(fd, name, 6) == 6 && strcmp(name, "echod/") == 0;
	if (fd >= 0)
		close(fd);
	return ours;
}

static size_t running_threads(void) {
	DIR *directory = opendir("/proc/self/task");
	assert_non_null(directory);
	size_t count = 0;
	for (const struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.' && is_ours(entry->d_name);
	closedir(directory);
	return count;
}

bool threads_become(size_t count) {
	uint64_t deadline = clock_deadline(PATIENCE);
	while (running_threads() != count) {
		if (clock_now() >= deadline)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}
