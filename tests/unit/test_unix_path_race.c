// Several servers claim one path at once: net/unix_path.
#include "expect.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "socket_file.h"

#define CLAIMERS 6
#define ROUNDS 200

// Time stands still: others wait as long as a thread that holds the lock is held up.
WRAP(int, clock_gettime, (clockid_t id, struct timespec *now)) {
	*now = (struct timespec){0};
	return 0;
}

struct claimer {
	pthread_t thread;
	pthread_barrier_t *start;
	int fd, result;
	struct unix_path path;
	struct echod_error error;
};

static void *claim_at_the_start(void *argument) {
	struct claimer *claimer = argument;
	pthread_barrier_wait(claimer->start);
	claimer->result =
		unix_path_listen(&claimer->path, claimer->fd, "s", 16, true, &claimer->error);
	return NULL;
}

AROUND_EACH(enter_directory, leave_directory);

TEST(of_threads_that_race_one_wins) {
	for (int round = 0; round < ROUNDS; round++) {
		struct claimer claimers[CLAIMERS] = {0};
		pthread_barrier_t start;
		pthread_barrier_init(&start, NULL, CLAIMERS);
		leave_stale("s");
		for (size_t i = 0; i < CLAIMERS; i++) {
			claimers[i].start = &start;
			claimers[i].fd = new_socket(SOCK_STREAM);
			claimers[i].thread = thread_begin(claim_at_the_start, &claimers[i]);
		}
		int winners = 0;
		for (size_t i = 0; i < CLAIMERS; i++) {
			thread_end(claimers[i].thread);
			if (claimers[i].result == 0)
				winners++;
			else
				assert_string_equal(claimers[i].error.message, LIVE);
		}
		assert_int_equal(winners, 1);
		assert_true(takes_connections("s"));
		for (size_t i = 0; i < CLAIMERS; i++) {
			unix_path_remove(&claimers[i].path);
			close(claimers[i].fd);
		}
		pthread_barrier_destroy(&start);
		assert_int_equal(access("s", F_OK), -1);
	}
}

// A process that claims 's' when `start` ends, writes the outcome to `report` (`w`on, `l`ive server
// there, or another `f`ailure) and holds what it has until `finish` ends.
static pid_t start_process(const int start[2], const int report[2], const int finish[2]) {
	pid_t child = fork();
	assert_true(child >= 0);
	if (child > 0)
		return child;
	close(start[1]);
	close(finish[1]);
	char byte;
	struct unix_path path;
	struct echod_error error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || read(start[0], &byte, 1) != 0)
		_exit(1);
	char outcome = 'w';
	if (unix_path_listen(&path, fd, "s", 16, true, &error) != 0)
		outcome = strcmp(error.message, LIVE) == 0 ? 'l' : 'f';
	if (write(report[1], &outcome, 1) != 1 || read(finish[0], &byte, 1) != 0)
		_exit(1);
	unix_path_remove(&path);
	_exit(0);
}

static void race_processes(void) {
	int start[2], report[2], finish[2];
	pid_t children[CLAIMERS];
	assert_int_equal(
		pipe2(start, O_CLOEXEC) | pipe2(report, O_CLOEXEC) | pipe2(finish, O_CLOEXEC), 0);
	for (size_t i = 0; i < CLAIMERS; i++)
		children[i] = start_process(start, report, finish);
	close(start[1]);
	int winners = 0;
	for (size_t i = 0; i < CLAIMERS; i++) {
		char outcome;
		assert_int_equal(read(report[0], &outcome, 1), 1);
		assert_int_not_equal(outcome, 'f');
		winners += outcome == 'w';
	}
	assert_int_equal(winners, 1);
	assert_true(takes_connections("s"));
	close(finish[1]);
	for (size_t i = 0; i < CLAIMERS; i++)
		assert_int_equal(child_status(children[i]), 0);
	close(start[0]);
	close(report[0]);
	close(report[1]);
	close(finish[0]);
}

TEST(of_processes_that_race_one_wins) {
	for (int round = 0; round < ROUNDS; round++) {
		leave_stale("s");
		race_processes();
		assert_int_equal(access("s", F_OK), -1);
	}
}
