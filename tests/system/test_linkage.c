// Scenario: jemalloc is linked and in use (finding F2: `--as-needed` drops it without a word), and
// the threads carry the names that `top -H` shows.
#include "stats.h"

DAEMON_TEST(jemalloc, (NULL)) {
	static const char *const names[] = {"memory_allocated_bytes", "memory_resident_bytes"};
	struct process *readelf = EXPECT_STATUS(0, "readelf", "-dW", ECHOD_PROGRAM);
	bool linked = strstr(process_output(readelf, NULL), "Shared library: [libjemalloc.so");
	bool wanted = sizeof(ECHOD_SANITIZE) == 1; // sanitizers bring their own allocator
	assert_int_equal(linked, wanted);
	json_t *snapshot = stats_take(daemon);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(json_is_null(json_object_get(snapshot, names[i])), !wanted);
		assert_int_equal(stats_get(snapshot, names[i]) > 0, wanted);
	}
	assert_int_equal(stats_get(snapshot, names[1]) > stats_get(snapshot, names[0]), wanted);
}

DAEMON_TEST(thread_names, ("--workers", "5")) {
	pid_t pid = process_pid(daemon->process);
	assert_int_equal(process_named_threads(pid, "echod/accept\n"), 1);
	assert_int_equal(process_named_threads(pid, "echod/work-"), 5);
	assert_int_equal(process_named_threads(pid, "echod/work-3\n"), 1);
	assert_int_equal(process_named_threads(pid, "echod/stats\n"), 1);
}
