// How many CPUs there are to use, on machines and in cgroups made up here: base/cpus.
#include "test.h"

#include <sched.h>

#include "base/cpus.h"
#include "base/proc_file.h"

struct file {
	const char *path, *text;
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

BEFORE_EACH {
	files = NULL;
	mask = 8;
	online = 16;
}

static unsigned usable(const struct file *there) {
	files = there;
	return cpus_usable(pthread_self());
}

// So many CPUs, where these files are.
#define EXPECT_USABLE(expected, ...) \
	assert_int_equal(usable((const struct file[]){__VA_ARGS__, {0}}), expected)

// What does not fit is left out, and the text ends within its room.
TEST(a_file_is_read_as_far_as_it_fits) {
	static const struct file there[] = {{"/a", "12345678"}, {0}};
	char text[] = "..........";
	files = there;
	assert_true(proc_file_read("/a", text, 8));
	assert_string_equal(text, "1234567");
	assert_string_equal(text + 8, "..");
	assert_true(proc_file_read("/a", text, 9));
	assert_string_equal(text, "12345678");
	assert_false(proc_file_read("/b", text, 9));
	assert_string_equal(text, "");
}

TEST(without_cgroups_it_is_the_affinity_mask_or_what_is_online) {
	EXPECT_USABLE(8, {0});
	mask = 1;
	EXPECT_USABLE(1, {0});
	mask = -1;
	EXPECT_USABLE(16, {0});
	assert_int_equal(cpus_online(), 16);
}

TEST(there_is_always_one) {
	for (online = -1; online <= 0; online++)
		assert_int_equal(cpus_online(), 1);
	for (mask = -1; mask <= 0; mask++)
		EXPECT_USABLE(1, {0});
}

TEST(a_quota_limits_the_mask) {
	static const struct {
		const char *cpu_max; // of the cgroup /a
		int mask;
		unsigned expected;
	} cases[] = {
		{"200000 100000\n", 8, 2}, // rounded up
		{"200001 100000\n", 8, 3},  {"1000 100000\n", 8, 1},
		{"50000 50000\n", 8, 1},    {"70000 20000\n", 8, 4},
		{"800000 100000\n", 8, 8}, // beyond the mask
		{"6400000 100000\n", 8, 8}, {"300000 100000\n", 2, 2},
		{"max 100000\n", 8, 8}, // none
		{"nonsense", 8, 8},	    {"200000", 8, 8},
		{"200000 0\n", 8, 8},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		mask = cases[i].mask;
		EXPECT_USABLE(cases[i].expected, {"/proc/self/cgroup", "0::/a\n"},
			      {"/sys/fs/cgroup/a/cpu.max", cases[i].cpu_max});
	}
}

TEST(the_groups_above_count_too) {
	struct file there[] = {
		{"/proc/self/cgroup", "0::/a/b/c\n"},
		{"/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n"},
		{"/sys/fs/cgroup/a/cpu.max", "250000 100000\n"},
		{"/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
		{0},
	};
	assert_int_equal(usable(there), 3);
	there[1].text = "100000 100000\n";
	assert_int_equal(usable(there), 1);
}

// Version 1: each controller, or several, in a hierarchy of its own.
TEST(a_quota_of_version_1_counts) {
	static const struct {
		const char *groups, *folder, *quota;
		unsigned expected;
	} cases[] = {
		{"4:memory:/m\n3:cpu:/a\n", "cpu/a", "200000\n", 2},
		{"3:cpu,cpuacct:/a\n", "cpu,cpuacct/a", "200001\n", 3},
		{"3:cpu,cpuacct:/a\n", "cpu/a", "250000\n", 3}, // a link
		{"3:cpuacct,cpu:/a/b\n", "cpuacct,cpu/a", "50000\n", 1},
		{"3:cpu:/docker/1234\n", "cpu", "400000\n", 4}, // a container's root
		{"3:cpu:/\n0::/\n", "cpu", "400000\n", 4},
		{"3:cpu:/a\n", "cpu/a", "-1\n", 8},
		{"3:cpu:/a\n", "cpu/a", "\n", 8},
		{"3:cpu:/a\n", "cpu/a", "900000\n", 8},
		{"3:cpuset:/a\n2:cpuacct:/a\n1:name=cpu:/a\n", "cpu/a", "100000\n", 8},
		{"3:cpu\n\n:\n", "cpu", "100000\n", 8},
		{"", "cpu", "100000\n", 8},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *folder = cases[i].folder;
		const char *quota = test_text("/sys/fs/cgroup/%s/cpu.cfs_quota_us", folder);
		const char *period = test_text("/sys/fs/cgroup/%s/cpu.cfs_period_us", folder);
		EXPECT_USABLE(cases[i].expected, {"/proc/self/cgroup", cases[i].groups},
			      {quota, cases[i].quota}, {period, "100000\n"});
	}
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
	assert_int_equal(usable(there), 5);
	there[4].text = "150000";
	assert_int_equal(usable(there), 2);
}

// In a cgroup namespace of its own the root is the container's group.
TEST(the_root_has_a_quota_only_in_a_container) {
	static const struct file quota = {"/sys/fs/cgroup/cpu.max", "200000 100000\n"};
	EXPECT_USABLE(8, {"/proc/self/cgroup", "0::/\n"});
	EXPECT_USABLE(2, {"/proc/self/cgroup", "0::/\n"}, quota);
	EXPECT_USABLE(2, {"/proc/self/cgroup", "0::/system.slice/x\n"}, quota);
}
