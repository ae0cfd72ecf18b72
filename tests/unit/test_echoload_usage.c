// CPU time of the machine, and the counters of sockets, from what the kernel shows:
// tools/echoload/load/usage.
#include "base/clock.h"
#include "echoload/load/usage.h"
#include "test.h"

#include <sys/socket.h>

static const char *stat; // in place of /proc/stat; NULL: the machine's own

WRAP(FILE *, fopen, (const char *path, const char *mode)) {
	return stat && strcmp(path, "/proc/stat") == 0
		       ? fmemopen((void *)(uintptr_t)stat, strlen(stat), mode)
		       : __real_fopen(path, mode);
}

AFTER_EACH { stat = NULL; }

TEST(the_times_of_the_machine_and_of_its_cpus) {
	const uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	cpu_set_t second, ours;
	CPU_ZERO(&second);
	CPU_SET(1, &second);
	stat = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 0 0 0 10 20 0 0 0 0 0\n"
	       "cpu1 9 9 9 30 40 9 9 9 9 9\nintr 5\n";
	const struct usage_machine before = usage_of_machine();
	assert_int_equal(before.wanted, (1 + 2 + 3 + 6 + 7 + 8) * tick);
	assert_int_equal(before.stolen, 8 * tick);
	assert_int_equal(usage_idle(&second), 70 * tick);
	assert_int_equal(sched_getaffinity(0, sizeof(ours), &ours), 0);
	assert_int_equal(before.cpus, CPU_COUNT(&ours));
	uint64_t idle = (CPU_ISSET(0, &ours) ? 30U : 0U) + (CPU_ISSET(1, &ours) ? 70U : 0U);
	assert_int_equal(before.idle, idle * tick);
	stat = "cpu  2 4 6 4 5 9 11 13 9 10\ncpu0 0 0 0 10 20 0 0 0 0 0\ncpu1 0 0 0 30 40 0 0 0 0 "
	       "0\n";
	struct usage_machine since = usage_since(&before);
	assert_int_equal(since.wanted, (1 + 2 + 3 + 3 + 4 + 5) * tick);
	assert_int_equal(since.stolen, 5 * tick);
	assert_int_equal(since.idle, before.idle > 0); // 0 would be unknown
	stat = "cpu  0 0 0 0 0 0 0 0 0 0\n";	       // they may fall
	since = usage_since(&before);
	assert_int_equal(since.wanted + since.stolen + since.idle, 0);
}

TEST(a_thread_s_usage_is_since_before) {
	const uint64_t much = UINT64_C(1) << 62;
	const struct usage_thread before = {much, much, much, 3, much};
	const struct usage_thread since = usage_of_thread(9, &before);
	assert_true((since.user & since.system & since.at & since.waited) > INT64_MAX);
	assert_int_equal(since.worked, 6);
}

TEST(a_socket_has_bytes_of_either_end) {
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], "12345", 5, 0), 5);
	const struct usage_tcp before = usage_of_socket(pair[0]);
	assert_true(before.unread == 5 && before.unsent == 0 && before.sockets == 1);
	assert_true(usage_of_socket(pair[1]).unsent >= 5); // some systems count what it takes
	close(pair[0]);
	close(pair[1]);
}

TEST(the_counters_of_sockets_add_up) {
	const struct usage_tcp before = {
		.retransmits = 3, .needless = 2, .unread = 50, .limited_window = 10, .busy = 20};
	const struct usage_tcp usage = {1,
					7,
					5,
					.least_round_trip = 9,
					.unread = 2,
					.unsent = 3,
					.limited_window = 40,
					.busy = 70};
	static struct usage_tcp sum; // static: no padding differs
	usage_add_sockets(&sum, &usage, &before);
	usage_add_sockets(&sum, &(struct usage_tcp){1, .least_round_trip = 8},
			  &(struct usage_tcp){0});
	usage_add_sockets(&sum, &(struct usage_tcp){.least_round_trip = 0}, &(struct usage_tcp){0});
	static const struct usage_tcp expected = {2, 4, 3, 8, 2, 3, 30, 50};
	assert_memory_equal(&sum, &expected, sizeof(sum));
}
