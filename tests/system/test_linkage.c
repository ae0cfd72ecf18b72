// Scenario: the program is what it is meant to be. jemalloc is linked and in use (finding F2:
// `--as-needed` drops it without a word), and the threads carry the names that `top -H` shows.
#include <dirent.h>

#include "daemon.h"
#include "peer.h"
#include "stats.h"

TEST(jemalloc) {
	struct process *readelf;
	assert_int_equal(process_run_simple(&readelf, "readelf", "-dW", ECHOD_PROGRAM, NULL), 0);
	bool linked = strstr(process_output(readelf, NULL), "Shared library: [libjemalloc.so");
	bool wanted = sizeof(ECHOD_SANITIZE) == 1; // sanitizers bring their own allocator
	assert_int_equal(linked, wanted);
	struct daemon *daemon = daemon_start(NULL);
	json_t *snapshot = stats_take(daemon);
	static const char *const names[] = {"memory_allocated_bytes", "memory_resident_bytes"};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(json_is_null(json_object_get(snapshot, names[i])), !wanted);
		assert_int_equal(stats_get(snapshot, names[i]) > 0, wanted);
	}
	json_decref(snapshot);
	daemon_stop(daemon);
}

static size_t count_threads(struct daemon *daemon, const char *prefix) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", process_pid(daemon->process));
	DIR *directory = opendir(path);
	assert_non_null(directory);
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(directory));) {
		char file[400], name[32] = "";
		snprintf(file, sizeof(file), "%s/%s/comm", path, entry->d_name);
		FILE *comm = entry->d_name[0] == '.' ? NULL : fopen(file, "re");
		if (!comm)
			continue;
		assert_non_null(fgets(name, sizeof(name), comm));
		fclose(comm);
		count += strncmp(name, prefix, strlen(prefix)) == 0;
	}
	closedir(directory);
	return count;
}

DAEMON_TEST(thread_names, ("--workers", "5")) {
	assert_int_equal(count_threads(daemon, "echod/accept\n"), 1);
	assert_int_equal(count_threads(daemon, "echod/work-"), 5);
	assert_int_equal(count_threads(daemon, "echod/work-3\n"), 1);
	assert_int_equal(count_threads(daemon, "echod/stats\n"), 1);
}
