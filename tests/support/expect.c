#include "expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "process.h"

void test_error(int result, struct echod_error *error, enum echod_error_kind kind, const char *part,
		const char *file, int line) {
	_assert_int_equal((LargestIntegralType)result, (LargestIntegralType)-1, file, line);
	_assert_int_equal(error->kind, kind, file, line);
	test_contains(error->message, part, file, line);
	*error = (struct echod_error){0};
}

int child_status(pid_t child) {
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool matches(const char *text, const char *pattern) {
	regex_t regex;
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

int socket_option(int fd, int level, int name) {
	int value = -1;
	socklen_t length = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

rlim_t set_descriptor_limit(rlim_t limit) {
	struct rlimit now;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	rlim_t before = now.rlim_cur;
	now.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

_Noreturn static void act_in_child(void (*act)(void)) {
	struct rlimit none = {0};
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO); // ensure() complains there
	act();
	_exit(0);
}

void expect_abort(void (*act)(void)) {
	pid_t child = fork();
	if (child == 0)
		act_in_child(act);
	assert_true(child > 0);
	assert_int_equal(child_status(child), 128 + SIGABRT);
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

bool threads_become(size_t count) {
	uint64_t deadline = clock_deadline(PATIENCE);
	while (process_named_threads(getpid(), "echod/") != count) {
		if (clock_now() >= deadline)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

static json_t *kept;

static void forget_json(void) {
	json_decref(kept);
	kept = NULL;
}
CLEANUP(forget_json, 1)

json_t *json_keep(json_t *json) {
	kept = kept ? kept : json_array();
	if (json_array_size(kept) == 1000)
		json_array_remove(kept, 0);
	assert_int_equal(json_array_append_new(kept, json), 0);
	return json;
}

json_t *json_from(const char *text) {
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("not JSON: %s in %s", error.text, text);
	return json_keep(json);
}
