// Several servers claim one path at once: net/unix_path.
#include "expect.h"

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
