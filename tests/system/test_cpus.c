// Scenario: the CPUs that the server may use change while it runs, by its affinity mask or by a
// quota.
#include <sched.h>

#include "base/cpus.h"
#include "stats.h"
#include "throttle.h"

static unsigned first_cpu(void) {
	cpu_set_t cpus;
	unsigned cpu = 0;
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	return cpu;
}

static void expect_cpus(struct daemon *daemon, uint64_t expected) {
	uint64_t begin = clock_now();
	stats_wait(daemon, "cpus", expected);
	assert_true(clock_now() - begin < 5 * NS_PER_S);
}

DAEMON_TEST(affinity, (NULL)) {
	pid_t pid = process_pid(daemon->process);
	unsigned all = cpus_usable(pthread_self());
	expect_cpus(daemon, all);
	throttle_pin(pid, first_cpu());
	expect_cpus(daemon, 1);
	throttle_unpin(pid);
	expect_cpus(daemon, all);
}

DAEMON_TEST(quota, (NULL)) {
	unsigned all = cpus_usable(pthread_self());
	struct throttle *quota = throttle_quota(process_pid(daemon->process), 0.5);
	if (quota) {
		expect_cpus(daemon, 1);
		throttle_end(quota); // moves it back
	} else {
		print_message("no cgroup may be made here: unit/test_cpus.c has their files\n");
	}
	expect_cpus(daemon, all);
}
