// How many CPUs there are to use, on machines and in cgroups made up here: base/cpus.
#include "test.h"

#include <sched.h>

#include "base/cpus.h"

struct file {
	const char *path;
	const char *text;
};

static const struct file *files; // path NULL last; all others do not exist
static int mask;		 // CPUs in the affinity mask; -1: the call fails
static long online;

WRAP(int, pthread_getaffinity_np, (pthread_t thread, size_t size, cpu_set_t *set)) {
	assert_true(pthread_equal(thread, pthread_self()));
	if (mask < 0)
		return EINVAL; // more CPUs than the set has room for
	memset(set, 0, size);
	for (size_t i = 0; i < (size_t)mask; i++)
		CPU_SET(2 * i + 1, set);
	return 0;
}

WRAP(FILE *, fopen, (const char *path, const char *mode)) {
	for (const struct file *file = files; file && file->path; file++) {
		if (strcmp(file->path, path) == 0)
			return fmemopen((void *)(uintptr_t)file->text, strlen(file->text), mode);
	}
	errno = ENOENT;
	return NULL;
}

WRAP(long, sysconf, (int name)) {
	return name == _SC_NPROCESSORS_ONLN ? online : __real_sysconf(name);
}

static void begin(void) {
	files = NULL;
	mask = 8;
	online = 16;
}

FIXTURE(begin, NULL);

static void expect_usable(unsigned expected, const struct file *there) {
	files = there;
	assert_int_equal(cpus_usable(pthread_self()), expected);
}

TEST(without_cgroups_it_is_the_affinity_mask) {
	expect_usable(8, NULL);
	mask = 1;
	expect_usable(1, NULL);
}

TEST(without_a_mask_it_is_what_is_online) {
	mask = -1;
	expect_usable(16, NULL);
	assert_int_equal(cpus_online(), 16);
}

TEST(there_is_always_one) {
	online = -1;
	assert_int_equal(cpus_online(), 1);
	mask = -1;
	expect_usable(1, NULL);
	mask = 0;
	expect_usable(1, NULL);
}

// The cgroup /a with this cpu.max.
static void expect_with_quota(unsigned expected, const char *cpu_max) {
	const struct file there[] = {
		{"/proc/self/cgroup", "0::/a\n"}, {"/sys/fs/cgroup/a/cpu.max", cpu_max}, {0}};
	expect_usable(expected, there);
}

TEST(a_quota_is_rounded_up) {
	expect_with_quota(2, "200000 100000\n");
	expect_with_quota(3, "200001 100000\n");
	expect_with_quota(1, "1000 100000\n");
	expect_with_quota(1, "50000 50000\n");
	expect_with_quota(4, "70000 20000\n");
}

TEST(a_quota_beyond_the_mask_changes_nothing) {
	expect_with_quota(8, "800000 100000\n");
	expect_with_quota(8, "6400000 100000\n");
	mask = 2;
	expect_with_quota(2, "300000 100000\n");
}

TEST(what_is_no_quota_is_none) {
	expect_with_quota(8, "max 100000\n");
	expect_with_quota(8, "nonsense");
	expect_with_quota(8, "200000");
	expect_with_quota(8, "200000 0\n");
}

TEST(the_groups_above_count_too) {
	struct file there[] = {
		{"/proc/self/cgroup", "0::/a/b/c\n"},
		{"/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n"},
		{"/sys/fs/cgroup/a/cpu.max", "250000 100000\n"},
		{"/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
		{0},
	};
	expect_usable(3, there);
	there[1].text = "100000 100000\n";
	expect_usable(1, there);
}

// Version 1: each controller, or several, in a hierarchy of its own.
static void expect_with_old_quota(unsigned expected, const char *groups, const char *folder,
				  const char *quota) {
	char names[2][100];
	snprintf(names[0], sizeof(names[0]), "/sys/fs/cgroup/%s/cpu.cfs_quota_us", folder);
	snprintf(names[1], sizeof(names[1]), "/sys/fs/cgroup/%s/cpu.cfs_period_us", folder);
	const struct file there[] = {
		{"/proc/self/cgroup", groups}, {names[0], quota}, {names[1], "100000\n"}, {0}};
	expect_usable(expected, there);
}

TEST(a_quota_of_version_1_counts) {
	static const struct {
		unsigned expected;
		const char *groups;
		const char *folder;
		const char *quota;
	} cases[] = {
		{2, "4:memory:/m\n3:cpu:/a\n", "cpu/a", "200000\n"},
		{3, "3:cpu,cpuacct:/a\n", "cpu,cpuacct/a", "200001\n"},
		{3, "3:cpu,cpuacct:/a\n", "cpu/a", "250000\n"}, // a link
		{1, "3:cpuacct,cpu:/a/b\n", "cpuacct,cpu/a", "50000\n"},
		{4, "3:cpu:/docker/1234\n", "cpu", "400000\n"}, // a container's root
		{4, "3:cpu:/\n0::/\n", "cpu", "400000\n"},
		{8, "3:cpu:/a\n", "cpu/a", "-1\n"},
		{8, "3:cpu:/a\n", "cpu/a", "\n"},
		{8, "3:cpu:/a\n", "cpu/a", "900000\n"},
		{8, "3:cpuset:/a\n2:cpuacct:/a\n1:name=cpu:/a\n", "cpu/a", "100000\n"},
		{8, "3:cpu\n\n:\n", "cpu", "100000\n"},
		{8, "", "cpu", "100000\n"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect_with_old_quota(cases[i].expected, cases[i].groups, cases[i].folder,
				      cases[i].quota);
}

// Version 2 beside version 1, which has the controllers or some of them.
TEST(on_a_hybrid_host_the_least_of_both_counts) {
	struct file there[] = {
		{"/proc/self/cgroup", "5:cpu,cpuacct:/old\n1:name=systemd:/x\n0::/new\n"},
		{"/sys/fs/cgroup/x/cpu.max", "100000 100000\n"}, // another hierarchy's
		{"/sys/fs/cgroup/old/cpu.max", "100000 100000\n"},
		{"/sys/fs/cgroup/unified/new/cpu.max", "500000 100000\n"},
		{"/sys/fs/cgroup/cpu,cpuacct/old/cpu.cfs_quota_us", "600000\n"},
		{"/sys/fs/cgroup/cpu,cpuacct/old/cpu.cfs_period_us", "100000\n"},
		{0},
	};
	expect_usable(5, there);
	there[4].text = "150000";
	expect_usable(2, there);
}

TEST(the_root_has_no_quota) {
	const struct file there[] = {{"/proc/self/cgroup", "0::/\n"}, {0}};
	expect_usable(8, there);
}

// In a cgroup namespace of its own the root is the container's group.
TEST(the_root_of_a_container_has_one) {
	const struct file there[] = {{"/proc/self/cgroup", "0::/system.slice/x\n"},
				     {"/sys/fs/cgroup/cpu.max", "200000 100000\n"},
				     {0}};
	expect_usable(2, there);
	const struct file bare[] = {{"/proc/self/cgroup", "0::/\n"}, there[1], {0}};
	expect_usable(2, bare);
}
